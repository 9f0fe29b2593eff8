package provider

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		definite = "definite"
		bare     = "bare"
		neither  = "neither"
	)
	cases := []struct {
		line string
		want string
	}{
		{"-ERR [AUTH] Authentication failed.", definite},
		{"-ERR [auth] nope", definite},
		{"-ERR [AUTH] Username and password not accepted.", definite},
		{"-ERR Logon failure: unknown user name or bad password.", definite},
		{"-ERR Login failed.", definite},
		{"-ERR invalid user or password", definite},
		{"-ERR", bare},
		{"-ERR no", bare},
		{"-ERR [XYZZY] no", bare},
		{"-ERR Login failed: too many connections", neither},
		{"-ERR Login failed, please try again later", neither},
		{"-ERR maildrop is locked", neither},
		{"-ERR [IN-USE] Mailbox in use", neither},
		{"-ERR [LOGIN-DELAY] wait", neither},
		{"-ERR [SYS/TEMP] Internal error", neither},
		{"-ERR [SYS/TEMP] authentication failed", neither},
		{"-ERR [SYS/PERM] account disabled", neither},
	}
	for _, c := range cases {
		err := parseStatus("PASS", []byte(c.line))
		got := neither
		switch {
		case DefinitelyRefused(err) && BarelyRefused(err):
			got = "both"
		case DefinitelyRefused(err):
			got = definite
		case BarelyRefused(err):
			got = bare
		}
		if got != c.want {
			t.Errorf("%q to PASS: %s, want %s", c.line, got, c.want)
		}
	}
	if err := parseStatus("LIST", []byte("-ERR [AUTH] no")); DefinitelyRefused(err) || BarelyRefused(err) {
		t.Error("a refused LIST says nothing of the login")
	}
	if DefinitelyRefused(nil) || BarelyRefused(errors.New("broken")) {
		t.Error("what is no refusal says nothing")
	}
}

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
			if DefinitelyRefused(err) && BarelyRefused(err) {
				t.Errorf("%q is a definite and a bare refusal", line)
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
