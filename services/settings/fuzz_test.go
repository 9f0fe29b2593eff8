package settings

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// Whatever Parse takes, Encode writes so that Parse takes it for the same; and what it
// refuses, it refuses with lines that are in the file.
func FuzzParse(f *testing.F) {
	certificate, key := pair(f)
	for _, seed := range []string{
		"", written, written + writtenBlocks, exampleFile, tlsFile(certificate, key),
		"[pop3]\nhold = '1h'\n\n[[provider]]\nhost = '[::1'\nports = ['1-2', 3]\n",
		"provider = [{host='p.example', address='10.0.0.1:995'}]\n[[provider]]\n",
		"[pop3\nlisten = [\n'x'\n'''",
		"appliance.name = \"\\u00fcber.example\"\nappliance.name = 1.5\n[network]\naddress='fd00::5/64'\ngateway='fe80::1'",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("f", text)
		if err != nil {
			invalid, ok := errors.AsType[*Invalid](err)
			if !ok || s != nil || len(invalid.Problems) == 0 || len(invalid.Problems) > maxProblems {
				t.Fatalf("Parse(%q) = %v, %#v", text, s, err)
			}
			for _, p := range invalid.Problems {
				if p.Line < 0 || p.Line > strings.Count(string(text), "\n")+1 || strings.Contains(p.String(), "\n") {
					t.Fatalf("Parse(%q): problem %+v", text, p)
				}
			}
			return
		}
		again, err := Parse("encoded", s.Encode())
		if err != nil {
			t.Fatalf("Parse(%q) is good, but encoded again not: %v\n%s", text, err, s.Encode())
		}
		if !reflect.DeepEqual(again, s) {
			t.Fatalf("Parse(%q) = \n%s\nencoded and parsed \n%s", text, s.Encode(), again.Encode())
		}
	})
}

// A host in its canonical form is its own canonical form: the same account is found again.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"POP3.Web.de.", "müller.example", "xn--mller-kva.example", "ß.example", "１２.example", "::FFFF:10.0.0.1", "a。b", "\u0627.example", "xn--a-ecp.ru"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, fault := parseHost(text)
		if fault != nil {
			return
		}
		if twice, fault := parseHost(once); fault != nil || twice != once {
			t.Fatalf("parseHost(%q) = %q, and of that %q, %v", text, once, twice, fault)
		}
		if strings.HasSuffix(once, ".") || strings.ToLower(once) != once || len(once) > 253 {
			t.Fatalf("parseHost(%q) = %q", text, once)
		}
	})
}
