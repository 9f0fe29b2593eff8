package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Temporary tells whether the provider said itself that it is about the moment.
func (r *Refusal) Temporary() bool {
	return slices.Contains([]string{CodeInUse, CodeLoginDelay, CodeTemporary}, r.Code)
}

// Passing tells whether the provider said that what it refused is about the moment.
func Passing(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Temporary()
}

// wrongLogin are texts of providers that send no [AUTH] for a wrong login name or password: Courier,
// Cyrus, Exchange, qpopper, mpop3d and the large German providers. In small letters.
var wrongLogin = []string{
	"authentication failed", "authentication failure", "authorization failed", "auth failed",
	"invalid login", "invalid password", "invalid user", "invalid credentials", "invalid username", "invalid mailbox",
	"incorrect password", "incorrect login", "incorrect username", "wrong password", "wrong username", "wrong login",
	"bad login", "bad password", "bad username", "login incorrect", "login failed", "login failure", "logon failure",
	"password incorrect", "password is incorrect", "password failed", "password mismatch", "password does not match",
	"username or password", "user name or password", "username and password not accepted", "user or password",
	"unknown user", "no such user", "no such mailbox", "no mailbox here by that name", "user unknown", "not a valid user",
}

// notAboutLogin are words that make one of the texts above say something else ("Login failed: try again later").
var notAboutLogin = []string{
	"try again", "try later", "temporar", "too many", "too often", "in use", "locked", "lock ", "busy", "unavailable", "timeout",
	"timed out", "internal", "maintenance", "rate limit", "exceeded", "server error", "system error", "insecure", "ssl", "tls",
}

// DefinitelyRefused tells whether err says that login name or password are wrong, by [AUTH] (RFC 3206 §4) or by
// a text that is known to mean it. A bare -ERR isn't one.
func DefinitelyRefused(err error) bool {
	var r *Refusal
	if !errors.As(err, &r) || r.Command != "USER" && r.Command != "PASS" {
		return false
	}
	if r.Code == CodeAuth {
		return true
	}
	if r.Code != "" && knownCode(r.Code) {
		return false
	}
	text := r.words()
	has := func(known string) bool { return strings.Contains(text, known) }
	return slices.ContainsFunc(wrongLogin, has) && !slices.ContainsFunc(notAboutLogin, has)
}

// BarelyRefused tells whether err is a -ERR to PASS that says nothing: perhaps a wrong password, perhaps not.
func BarelyRefused(err error) bool {
	var r *Refusal
	if !errors.As(err, &r) || r.Command != "PASS" || knownCode(r.Code) || DefinitelyRefused(err) {
		return false
	}
	text := r.words()
	return !slices.ContainsFunc(notAboutLogin, func(known string) bool { return strings.Contains(text, known) })
}

func knownCode(code string) bool {
	return slices.Contains([]string{CodeAuth, CodeInUse, CodeLoginDelay, CodeTemporary, CodePermanent}, code)
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
