package relay

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
)

// Stage is where in a conversation something failed.
type Stage string

// The stages. As words they fill "… at <stage>".
const (
	Connect  Stage = "connecting"
	Greeting Stage = "the greeting"
	Hello    Stage = "EHLO"
	StartTLS Stage = "STARTTLS"
	Auth     Stage = "the login"
	MailFrom Stage = "MAIL"
	RcptTo   Stage = "RCPT"
	Data     Stage = "DATA"
	Body     Stage = "the mail"
	End      Stage = "the end of the mail" // and the reply to it
)

// Failure is why a mail wasn't taken.
type Failure struct {
	Stage    Stage
	Host     string // and the address that answered, where one did
	Code     int    // of the reply; 0: there was none
	Enhanced string // of the reply, or what is ours to say (RFC 3463)
	Text     string // the other side's own words, or ours

	Permanent bool // another try won't help
	Refused   bool // the login was refused: it isn't to be tried again until it changes
	Down      bool // it's the server's or its login's, whatever the mail: others would fare the same now
	Doubt     bool // the mail's end was sent, and no answer came: it may have been taken
	Damaged   bool // the body isn't whole on our disk: Cause says where

	Cause error // for the log
}

func (f *Failure) Error() string { return f.Words() }
func (f *Failure) Unwrap() error { return f.Cause }

// Words tells a person what happened.
func (f *Failure) Words() string {
	switch {
	case f.Code != 0 && f.Enhanced != "":
		return fmt.Sprintf("%s answered to %s: %d %s %s", f.Host, f.Stage, f.Code, f.Enhanced, f.Text)
	case f.Code != 0:
		return fmt.Sprintf("%s answered to %s: %d %s", f.Host, f.Stage, f.Code, f.Text)
	case f.Doubt:
		return fmt.Sprintf("the connection to %s ended before it answered whether it has the mail (%s), so the mail may come twice", f.Host, f.Text)
	case f.Stage == Connect:
		return fmt.Sprintf("%s can't be reached: %s", f.Host, f.Text)
	}
	return fmt.Sprintf("%s, at %s: %s", f.Host, f.Stage, f.Text)
}

// Status is the enhanced code of the failure, as a report has it.
func (f *Failure) Status() string {
	class := "4"
	if f.Permanent {
		class = "5"
	}
	if len(f.Enhanced) > 2 {
		return class + f.Enhanced[1:]
	}
	switch {
	case f.Refused || f.Stage == Auth:
		return class + ".7.8"
	case f.Stage == StartTLS:
		return class + ".7.4"
	case f.Code == 0:
		return class + ".4.2" // bad connection
	}
	return class + ".0.0"
}

// meansLater are words in a refusal that is permanent by its code and passes by itself all the same.
var meansLater = []string{
	"try again later", "try later", "greylist", "graylist", "grey listed", "temporarily", "temporary failure", "too many connections",
	"too many login", "too many failed", "rate limit", "throttl", "please retry",
}

// judge decides what a failure means: the one place where temporary and permanent are told apart. What isn't known is
// temporary. accepted says that a recipient of the transaction was taken before.
func judge(stage Stage, host string, err error, accepted bool) *Failure {
	f := &Failure{Stage: stage, Host: host, Cause: err}
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) {
		// The connection, or TLS: nothing that the mail is to blame for.
		f.Text, f.Down, f.Doubt = words(err.Error()), true, stage == End
		return f
	}
	f.Code, f.Text = reply.Code, words(reply.Message)
	if reply.EnhancedCode != smtp.EnhancedCodeNotSet && reply.EnhancedCode != smtp.NoEnhancedCode {
		e := reply.EnhancedCode
		f.Enhanced = fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
	}
	permanent := f.Code/100 == 5 && !strings.HasPrefix(f.Enhanced, "4.") && !saysLater(f.Text)
	switch stage {
	case Connect, Greeting, Hello, StartTLS:
		// Of the server, not of the mail; RFC 5321 §3.1 lets a client try another one behind 554.
		f.Down = true
	case Auth:
		// 535: credentials invalid (RFC 4954 §6); 534: Gmail, which wants a person to do something first.
		f.Down, f.Refused = true, permanent && (f.Code == 535 || f.Code == 534)
	case RcptTo:
		// 552 for too many recipients is a temporary one (RFC 5321 §4.5.3.1.10).
		f.Permanent = permanent && !(f.Code == 552 && accepted && !strings.HasPrefix(f.Enhanced, "5.2.2"))
	default:
		f.Permanent = permanent
	}
	if f.Code == 421 {
		f.Down = true // it closes, whatever was asked (RFC 5321 §3.8)
	}
	return f
}

func saysLater(text string) bool {
	text = strings.ToLower(text)
	for _, w := range meansLater {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// maxWords is how much of another side's text is kept, octets.
const maxWords = 500

// words makes one printable line of a text from outside.
func words(s string) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(s) <= maxWords {
		return s
	}
	s = s[:maxWords]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
