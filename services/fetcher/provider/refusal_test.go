package provider

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"+OK":                    "",
		"+ok fine":               "",
		"-ERR [IN-USE] busy now": `RETR refused by the provider: "[IN-USE] busy now"`,
		"-ERR  two  spaces ":     `RETR refused by the provider: "two  spaces"`,
		"-ERR [no code] at all":  `RETR refused by the provider: "[no code] at all"`,
		"-ERR a\x1b[2Jb\xff":     `RETR refused by the provider: "a?[2Jb?"`,
		"* OK IMAP4 ready":       `answer to RETR is neither +OK nor -ERR: "* OK IMAP4 ready": not understood`,
		"":                       `answer to RETR is neither +OK nor -ERR: "": not understood`,
		"+OKAY":                  `answer to RETR is neither +OK nor -ERR: "+OKAY": not understood`,
	} {
		err := parseStatus("RETR", []byte(line))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", line, got, want)
		}
	}
}

// FuzzParseStatus: whatever a provider says, what is shown of it is short, valid, and in one line.
func FuzzParseStatus(f *testing.F) {
	for _, seed := range []string{"+OK", "-ERR [AUTH] no", "-ERR [", "-ERR []", "-ERR [A]", "\x00", "-ERR \xff\x1b" + strings.Repeat("é", 300)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		err := parseStatus("PASS", line)
		var r *Refusal
		switch {
		case err == nil:
			if !strings.EqualFold(string(line[:3]), "+OK") {
				t.Errorf("%q is taken for +OK", line)
			}
		case errors.As(err, &r):
			text := Explain("pop.example.org", err)
			if len(text) > 1000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00\x1b") {
				t.Errorf("%q is shown as %q", line, text)
			}
			kinds := 0
			for _, is := range []bool{DefinitelyRefused(err), BarelyRefused(err), ForPerson(err), Passing(err)} {
				if is {
					kinds++
				}
			}
			if kinds > 1 {
				t.Errorf("%q is a refusal of %d kinds", line, kinds)
			}
			if apart, ok := TooOften(err); ok && (apart < 0 || apart > longestDelay) {
				t.Errorf("%q puts logins %v apart", line, apart)
			}
		}
	})
}

// FuzzNumbered: a line of a listing is a number and its rest, or refused.
func FuzzNumbered(f *testing.F) {
	for _, seed := range []string{"1 2", "1", "0 x", "-1 x", "+1 x", "99999999999999999999 x", " 1 x", "1  x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		number, rest, ok := numbered(line)
		if ok && (number < 1 || !strings.HasSuffix(line, rest)) {
			t.Errorf("%q: %d, %q", line, number, rest)
		}
	})
}
