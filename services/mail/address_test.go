package mail_test

import (
	"errors"
	"strings"
	"testing"

	"postroom/services/mail"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("d", 63)
	tests := []struct{ typed, local, domain, str, key string }{
		{typed: "anna@example.org", local: "anna", domain: "example.org"},
		{typed: "Anna.Berg+x@Example.ORG", local: "Anna.Berg+x", domain: "example.org", str: "Anna.Berg+x@example.org", key: "anna.berg+x@example.org"},
		{typed: "!#$%&'*+-/=?^_`{|}~@a.example", local: "!#$%&'*+-/=?^_`{|}~", domain: "a.example"},
		{typed: "a@example.org.", local: "a", domain: "example.org", str: "a@example.org"},
		{typed: "a@localhost", local: "a", domain: "localhost"},
		{typed: "a@r3---sn.example", local: "a", domain: "r3---sn.example"},
		{typed: "a@Bücher.example", local: "a", domain: "xn--bcher-kva.example", str: "a@xn--bcher-kva.example"},
		{typed: "a@example。org", local: "a", domain: "example.org", str: "a@example.org"},
		{typed: "KÄTHE@example.org", local: "KÄTHE", domain: "example.org", key: "käthe@example.org"},
		{typed: "用户@例子.测试", local: "用户", domain: "xn--fsqu00a.xn--0zwm56d", str: "用户@xn--fsqu00a.xn--0zwm56d"},
		{typed: `"anna"@example.org`, local: "anna", domain: "example.org", str: "anna@example.org"},
		{typed: `"\a\n\n\a"@example.org`, local: "anna", domain: "example.org", str: "anna@example.org"},
		{typed: `"anna berg"@example.org`, local: "anna berg", domain: "example.org", key: "anna berg@example.org"},
		{typed: `"a@b"@example.org`, local: "a@b", domain: "example.org", key: "a@b@example.org"},
		{typed: `"a\"b\\c"@example.org`, local: `a"b\c`, domain: "example.org", key: `a"b\c@example.org`},
		{typed: `"a..b"@example.org`, local: "a..b", domain: "example.org", key: "a..b@example.org"},
		{typed: `"käthe müller"@example.org`, local: "käthe müller", domain: "example.org", key: "käthe müller@example.org"},
		{typed: "a@[192.0.2.7]", local: "a", domain: "[192.0.2.7]"},
		{typed: "a@[ipv6:2001:DB8::7]", local: "a", domain: "[IPv6:2001:db8::7]", str: "a@[IPv6:2001:db8::7]", key: "a@[IPv6:2001:db8::7]"},
		{typed: "a@[IPv6:::ffff:192.0.2.7]", local: "a", domain: "[192.0.2.7]", str: "a@[192.0.2.7]"},
		{typed: strings.Repeat("l", 100) + "@example.org", local: strings.Repeat("l", 100), domain: "example.org"},
		{typed: "a@" + label + "." + label + "." + label + "." + label[:60], local: "a", domain: label + "." + label + "." + label + "." + label[:60]},
	}
	for _, test := range tests {
		got, err := mail.ParseAddress(test.typed)
		if err != nil || got.Local != test.local || got.Domain != test.domain {
			t.Errorf("%q: got %+v, %v; want %q at %q", test.typed, got, err, test.local, test.domain)
			continue
		}
		str := orElse(test.str, test.typed)
		if got.String() != str {
			t.Errorf("%q: String: got %q; want %q", test.typed, got.String(), str)
		}
		if want := orElse(test.key, str); got.Key() != want {
			t.Errorf("%q: Key: got %q; want %q", test.typed, got.Key(), want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	const (
		form    = "needs the form name@domain"
		local   = "what stands before the @ isn't a name"
		quoted  = "the quotes before the @"
		domain  = "what stands behind the @ isn't a domain"
		number  = "is an IP address without brackets"
		literal = "what stands in brackets"
		long    = "longer than 254 octets"
		char    = "control or invisible character"
	)
	label := strings.Repeat("d", 63)
	for _, test := range []struct{ typed, want string }{
		{"", form}, {"anna", form}, {"@example.org", form}, {"<a@example.org>", local},
		{".a@example.org", local}, {"a.@example.org", local}, {"a..b@example.org", local}, {"a b@example.org", local},
		{"a,b@example.org", local}, {"a(b)@example.org", local}, {`a"b"@example.org`, local}, {`a\@b@example.org`, local},
		{"@a.example,@b.example:user@c.example", form}, {"a@b@example.org", domain}, {" a@example.org", local},
		{`""@example.org`, quoted}, {`"a@example.org`, quoted}, {`"a"b@example.org`, quoted}, {`"a"`, quoted}, {`"a\`, quoted}, {`"a"."b"@example.org`, quoted}, {`"\ä"@example.org`, quoted},
		{"a@", domain}, {"a@.", domain}, {"a@.example", domain}, {"a@a..example", domain}, {"a@-a.example", domain}, {"a@a-.example", domain},
		{"a@a_b.example", domain}, {"a@a b.example", domain}, {"a@exa%mple", domain}, {"a@example.org..", domain}, {"a@" + label + "d.example", domain},
		{"a@ ä.example", domain}, {"a@example.org ", domain}, {"a@b:25", domain},
		{"a@127.0.0.1", number}, {"a@127.1", number}, {"a@0x7f000001", number}, {"a@１２７.0.0.1", number}, {"a@example.1", number},
		{"a@[192.0.2.7", literal}, {"a@[192.0.2]", literal}, {"a@[2001:db8::7]", literal}, {"a@[IPv6:192.0.2.7]", literal}, {"a@[IPv6:fe80::1%eth0]", literal}, {"a@[]", literal}, {"a@[example.org]", literal},
		{strings.Repeat("l", 243) + "@example.org", long}, {strings.Repeat("l", 5000), long},
		{"a@" + label + "." + label + "." + label + "." + label, domain},
		{"a\x00@example.org", char}, {"a\r\nRCPT@example.org", char}, {"a\u202e@example.org", char}, {"a\u200b@example.org", char}, {"a@exam\u00adple.org", char},
		{"a\xff@example.org", "isn't valid UTF-8"},
	} {
		got, err := mail.ParseAddress(test.typed)
		var fixed *mail.AddressError
		if !errors.As(err, &fixed) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %+v, %v; want %q", test.typed, got, err, test.want)
		}
	}
}

// What is read is written in one way, which is read as the same; what makes no difference to its identity makes none.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{
		"anna@example.org", `"a\"b\\c d"@Example.ORG.`, "用户@例子.测试", "a@[IPv6:2001:DB8::7]", "a@[192.0.2.7]", "@a,@b:c@d", `""@x`, "a..b@x", "a@127.1", "A@B.C",
		"a@xn--bcher-kva.example", "a@\u3002", `"@"@x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		a, err := mail.ParseAddress(typed)
		if err != nil {
			return
		}
		text := a.String()
		if len(text) > 254 || strings.ContainsAny(text, "\r\n\x00") {
			t.Errorf("%q: got %q", typed, text)
		}
		again, err := mail.ParseAddress(text)
		if err != nil || again != a {
			t.Errorf("%q: got %+v; %q gives %+v, %v", typed, a, text, again, err)
		}
		if at := strings.LastIndexByte(a.Key(), '@'); a.Key()[at+1:] != a.Domain {
			t.Errorf("%q: the key %q doesn't end in the domain %q", typed, a.Key(), a.Domain)
		}
		if a.Domain != strings.ToLower(a.Domain) && !strings.HasPrefix(a.Domain, "[IPv6:") {
			t.Errorf("%q: domain %q", typed, a.Domain)
		}
		for _, c := range a.Domain {
			if c > 126 {
				t.Errorf("%q: domain %q", typed, a.Domain)
			}
		}
	})
}
