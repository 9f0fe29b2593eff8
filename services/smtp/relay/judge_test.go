package relay

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	reply := func(code int, text string) error {
		e := &smtp.SMTPError{Code: code, Message: text}
		if first, rest, ok := strings.Cut(text, " "); ok && strings.Count(first, ".") == 2 {
			e.EnhancedCode, e.Message = smtp.EnhancedCode{int(first[0] - '0'), int(first[2] - '0'), int(first[4] - '0')}, rest
		}
		return e
	}
	for _, test := range []struct {
		stage    Stage
		err      error
		accepted bool
		want     string // of p(ermanent), r(efused), d(own), ?(doubt); a space; the status
	}{
		{Connect, errors.New("connection refused"), false, "d 4.4.2"},
		{Greeting, io.EOF, false, "d 4.4.2"},
		{Greeting, reply(554, "5.7.1 no mail from you"), false, "d 4.7.1"},
		{Greeting, reply(421, "4.3.2 busy"), false, "d 4.3.2"},
		{Hello, reply(550, "your name"), false, "d 4.0.0"},
		{StartTLS, errors.New("certificate expired"), false, "d 4.7.4"},
		{StartTLS, reply(454, "TLS not available"), false, "d 4.7.4"},
		{StartTLS, reply(554, "no"), false, "d 4.7.4"},
		{Auth, reply(535, "5.7.8 Authentication credentials invalid"), false, "rd 4.7.8"},
		{Auth, reply(535, "Incorrect authentication data"), false, "rd 4.7.8"},
		{Auth, reply(534, "5.7.9 Application-specific password required"), false, "rd 4.7.9"},
		{Auth, reply(535, "4.7.8 later"), false, "d 4.7.8"},
		{Auth, reply(535, "5.7.3 Authentication unsuccessful, too many login attempts"), false, "d 4.7.3"},
		{Auth, reply(535, "5.7.0 Temporary failure, please try again later"), false, "d 4.7.0"},
		{Auth, reply(454, "4.7.0 Temporary authentication failure"), false, "d 4.7.0"},
		{Auth, reply(421, "4.7.0 Too many bad commands"), false, "d 4.7.0"},
		{Auth, reply(530, "5.7.0 Must issue STARTTLS"), false, "d 4.7.0"},
		{Auth, reply(504, "5.5.4 unknown mechanism"), false, "d 4.5.4"},
		{Auth, reply(554, "5.7.1 blocked"), false, "d 4.7.1"},
		{Auth, io.ErrUnexpectedEOF, false, "d 4.7.8"},
		{MailFrom, reply(550, "5.7.1 not your address"), false, "p 5.7.1"},
		{MailFrom, reply(552, "5.3.4 too large"), false, "p 5.3.4"},
		{MailFrom, reply(451, "4.7.1 greylisted"), false, " 4.7.1"},
		{MailFrom, reply(421, "closing"), false, "d 4.0.0"},
		{MailFrom, reply(521, "no mail here"), false, "p 5.0.0"},
		{RcptTo, reply(550, "5.1.1 no such user"), false, "p 5.1.1"},
		{RcptTo, reply(550, "no such user"), true, "p 5.0.0"},
		{RcptTo, reply(553, "relaying denied"), true, "p 5.0.0"},
		{RcptTo, reply(450, "4.2.1 mailbox busy"), false, " 4.2.1"},
		{RcptTo, reply(452, "4.5.3 too many recipients"), true, " 4.5.3"},
		{RcptTo, reply(552, "too many recipients"), true, " 4.0.0"},
		{RcptTo, reply(552, "mailbox full"), false, "p 5.0.0"},
		{RcptTo, reply(552, "5.2.2 mailbox full"), true, "p 5.2.2"},
		{RcptTo, reply(550, "4.2.0 contradicts itself"), false, " 4.2.0"},
		{RcptTo, reply(550, "5.7.1 Greylisted, come back in 5 minutes"), false, " 4.7.1"},
		{RcptTo, reply(554, "Please try again later"), false, " 4.0.0"},
		{Data, reply(354, ""), false, " 4.0.0"},
		{Data, reply(554, "5.5.1 no valid recipients"), false, "p 5.5.1"},
		{Data, reply(250, "what?"), false, " 4.0.0"},
		{Data, io.EOF, false, "d 4.4.2"},
		{Body, io.ErrClosedPipe, false, "d 4.4.2"},
		{End, reply(550, "5.7.1 spam"), false, "p 5.7.1"},
		{End, reply(554, "5.6.0 bare LF"), false, "p 5.6.0"},
		{End, reply(451, "4.3.0 try again"), false, " 4.3.0"},
		{End, reply(452, "4.3.1 disk full"), false, " 4.3.1"},
		{End, io.EOF, false, "d? 4.4.2"},
		{End, io.ErrUnexpectedEOF, false, "d? 4.4.2"},
		{End, reply(199, "unknown"), false, " 4.0.0"},
		{End, reply(600, "unknown"), false, " 4.0.0"},
	} {
		f := judge(test.stage, "host.example", test.err, test.accepted)
		got := ""
		for _, flag := range []struct {
			set  bool
			sign string
		}{{f.Permanent, "p"}, {f.Refused, "r"}, {f.Down, "d"}, {f.Doubt, "?"}} {
			if flag.set {
				got += flag.sign
			}
		}
		if got += " " + f.Status(); got != test.want {
			t.Errorf("%s: %v: got %q, want %q", test.stage, test.err, got, test.want)
		}
		if w := f.Words(); !strings.Contains(w, "host.example") || strings.ContainsAny(w, "\r\n") {
			t.Errorf("%s: %v: words %q", test.stage, test.err, w)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\nb\r\n\tc":                   "a b c",
		"x\x1b[31m\x00y\xffz":           "x [31m y?z",
		strings.Repeat("ä", 300):        strings.Repeat("ä", 250) + "…",
		"x" + strings.Repeat("ä", 300):  "x" + strings.Repeat("ä", 249) + "…",
		"a\u202eb\u2028c":               "a b c",
		"":                              "",
		strings.Repeat("x", maxWords):   strings.Repeat("x", maxWords),
		strings.Repeat("x", maxWords+1): strings.Repeat("x", maxWords) + "…",
	} {
		if got := words(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
