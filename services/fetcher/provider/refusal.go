package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"postroom/services/wire"
)

// Response codes (RFC 2449 §8, RFC 3206).
const (
	CodeAuth       = "AUTH"
	CodeInUse      = "IN-USE"
	CodeLoginDelay = "LOGIN-DELAY"
	CodeTemporary  = "SYS/TEMP"
	CodePermanent  = "SYS/PERM"
)

// maxWords is how much of a provider's own words is shown, octets.
const maxWords = 200

// Refusal is a provider's -ERR.
type Refusal struct {
	Command string // the command word; empty: the greeting
	Code    string // response code in capitals, without brackets; may be empty
	Text    string // the provider's own words behind the code, fit to be shown

	said  string      // Text as it came; only until it is known whether it holds the password
	meant wire.Secret // Text as it came, where it does: what it means is judged by that
}

// words gives what the refusal's meaning is judged by, in small letters.
func (r *Refusal) words() string {
	if !r.meant.IsZero() {
		return strings.ToLower(r.meant.Reveal())
	}
	return strings.ToLower(r.Text)
}

func (r *Refusal) Error() string {
	command := r.Command
	if command == "" {
		command = "connection"
	}
	return fmt.Sprintf("%s refused by the provider: %s", command, r.Words())
}

// Words gives the provider's own words, its code too, in quotes.
func (r *Refusal) Words() string {
	if r.Code == "" {
		return fmt.Sprintf("%q", r.Text)
	}
	return fmt.Sprintf("%q", strings.TrimSpace("["+r.Code+"] "+r.Text))
}

// Temporary tells whether the provider said, by a response code, that it is about the moment.
func (r *Refusal) Temporary() bool {
	return slices.Contains([]string{CodeInUse, CodeLoginDelay, CodeTemporary}, r.Code)
}

// refused gives the refusal that err is, and what it means; nil: it's none.
func refused(err error) (*Refusal, meaning) {
	var r *Refusal
	if !errors.As(err, &r) {
		return nil, unclear
	}
	return r, r.means()
}

// Passing tells whether what a provider refused is about the moment.
func Passing(err error) bool {
	r, m := refused(err)
	return r != nil && (r.Temporary() || m.passing())
}

// DefinitelyRefused tells whether err says that login name or password will not do, by [AUTH] (RFC 3206 §4) or by
// a text that is known to mean it. A bare -ERR isn't one.
func DefinitelyRefused(err error) bool {
	r, m := refused(err)
	if r == nil || r.Command != "USER" && r.Command != "PASS" {
		return false
	}
	return m.definite() || r.Code == CodeAuth && m != tooOften && m != needsTLS
}

// BarelyRefused tells whether err is a -ERR to PASS that says nothing: perhaps a wrong password, perhaps not.
func BarelyRefused(err error) bool {
	r, m := refused(err)
	return r != nil && r.Command == "PASS" && m == unclear
}

// ForPerson tells whether a provider refuses an account until a person does something, and the login may be right.
func ForPerson(err error) bool {
	_, m := refused(err)
	return m.forPerson() && !DefinitelyRefused(err)
}

// TooOften tells whether a provider refused a login because it came too soon after the one before (RFC 2449 §8.1.1), and
// how far apart the provider's words want them; 0: they don't say.
func TooOften(err error) (apart time.Duration, ok bool) {
	r, m := refused(err)
	if m != tooOften {
		return 0, false
	}
	return delay(r.words()), true
}

// parseStatus reads the first line of a reply (RFC 1939 §3): nil for +OK, a *Refusal for -ERR.
func parseStatus(command string, line []byte) error {
	status, text, _ := strings.Cut(string(line), " ")
	switch strings.ToUpper(status) {
	case "+OK":
		return nil
	case "-ERR":
		r := &Refusal{Command: command}
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "[") {
			if code, rest, ok := strings.Cut(text[1:], "]"); ok && code != "" && !strings.ContainsAny(code, " []") {
				r.Code, text = showable(strings.ToUpper(code)), strings.TrimSpace(rest)
			}
		}
		r.said, r.Text = text, showable(text)
		return r
	}
	return fmt.Errorf("%s is neither +OK nor -ERR: %q: %w", answerTo(command), showable(string(line)), ErrProtocol)
}

// showable makes outside words fit to be shown: valid, in one line, of bounded length.
func showable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}
