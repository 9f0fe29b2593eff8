// Package sasl is the server's side of an AUTH command's exchange: challenges and responses, for POP3 (RFC 5034) and for
// SMTP (RFC 4954).
package sasl

import (
	"bytes"
	"encoding/base64"
	"strings"

	"postroom/services/wire"
)

// MaxResponse bounds a client's response in octets, CRLF included. The largest one that PLAIN has to take, of three
// names of 255 octets (RFC 4616 §2), has 1,026.
const MaxResponse = 2048

// Mechanisms are those that are there, as they are announced.
const Mechanisms = "PLAIN LOGIN"

// A Fault is why an exchange came to nothing, in words for the client.
type Fault struct {
	Text    string
	Refused bool // it was whole, and can't be a login; else the client didn't keep to the protocol
}

func (f *Fault) Error() string { return f.Text }

// What a client is told whose login came to nothing.
var (
	ErrMechanism = &Fault{Text: "AUTH needs a mechanism: PLAIN or LOGIN"}
	ErrCancelled = &Fault{Text: "the login was cancelled"}
	ErrTooLong   = &Fault{Text: "a response is at most 2048 octets long"}
	ErrEmptyName = &Fault{Text: "the name of the login is missing, such as login@pop3.example.org"}

	errBase64      = &Fault{Text: "a response is base64, or * to cancel"}
	errPlain       = &Fault{Text: "a response to PLAIN has a NUL before the name, and one before the password"}
	errSomeoneElse = &Fault{Text: "nobody can log in here as somebody else", Refused: true}
	errLineBreak   = &Fault{Text: "a name or a password holds no line break and no NUL", Refused: true}
)

// Ask sends a challenge, in base64, and gives the client's response to it, which is good until the next one.
type Ask func(challenge string) (response []byte, err error)

// Login holds the exchange of an AUTH command with its argument, and gives what the client wants to log in with. Errors
// that aren't a *Fault are those of ask.
func Login(argument []byte, ask Ask) (name string, password wire.Secret, err error) {
	mechanism, initial, given := bytes.Cut(bytes.TrimRight(argument, " "), []byte{' '})
	x := &exchange{send: ask, initial: bytes.Clone(initial), given: given}
	switch strings.ToUpper(string(mechanism)) {
	case "PLAIN":
		return x.plain()
	case "LOGIN":
		return x.login()
	}
	return "", wire.Secret{}, ErrMechanism
}

// An exchange is the challenges and responses of one AUTH.
type exchange struct {
	send    Ask
	initial []byte // what the client sent with AUTH already
	given   bool   // it did, and it was not used yet
}

// plain is PLAIN (RFC 4616 §2): whom to act for, NUL, the name, NUL, the password. One may act for oneself alone.
func (x *exchange) plain() (string, wire.Secret, error) {
	response, err := x.ask("")
	if err != nil {
		return "", wire.Secret{}, err
	}
	parts := strings.Split(response, "\x00")
	switch {
	case len(parts) != 3:
		return "", wire.Secret{}, errPlain
	case parts[0] != "" && parts[0] != parts[1]:
		return "", wire.Secret{}, errSomeoneElse
	}
	return held(parts[1], parts[2])
}

// login is LOGIN, which no RFC has: the server asks for the name, and then for the password. Some clients send the
// name with AUTH.
func (x *exchange) login() (string, wire.Secret, error) {
	name, err := x.ask("Username:")
	if err != nil {
		return "", wire.Secret{}, err
	}
	password, err := x.ask("Password:")
	if err != nil {
		return "", wire.Secret{}, err
	}
	return held(name, password)
}

// held holds name and password to what POP3's USER and PASS could have said, as the provider will be told them.
func held(name, password string) (string, wire.Secret, error) {
	if strings.ContainsAny(name+password, "\x00\r\n") {
		return "", wire.Secret{}, errLineBreak
	}
	if name == "" {
		return "", wire.Secret{}, ErrEmptyName
	}
	return name, wire.NewSecret(password), nil
}

// ask sends a challenge and gives the client's response; the first may have come with AUTH.
func (x *exchange) ask(challenge string) (string, error) {
	if x.given {
		x.given = false
		if string(x.initial) == "=" { // it is empty
			return "", nil
		}
		return decode(x.initial)
	}
	response, err := x.send(base64.StdEncoding.EncodeToString([]byte(challenge)))
	switch {
	case err != nil:
		return "", err
	case string(response) == "*":
		return "", ErrCancelled
	}
	return decode(response)
}

// decode refuses what isn't base64 (RFC 5034 §4, RFC 4954 §4: nothing is to be passed over), a CR inside too.
func decode(response []byte) (string, error) {
	if bytes.IndexByte(response, '\r') >= 0 {
		return "", errBase64
	}
	decoded, err := base64.StdEncoding.DecodeString(string(response))
	if err != nil {
		return "", errBase64
	}
	return string(decoded), nil
}
