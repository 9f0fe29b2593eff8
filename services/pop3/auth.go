package pop3

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"postroom/services/wire"
)

// maxResponse bounds a client's response in octets, CRLF included. The largest one that PLAIN has to take, of three
// names of 255 octets (RFC 4616 §2), has 1,026.
const maxResponse = 2048

// What a client is told whose login came to nothing.
var (
	errMechanism   = protocolError("AUTH needs a mechanism: PLAIN or LOGIN")
	errCancelled   = protocolError("the login was cancelled")
	errBase64      = protocolError("a response is base64, or * to cancel")
	errResponse    = protocolError("a response is at most 2048 octets long")
	errPlain       = protocolError("a response to PLAIN has a NUL before the name, and one before the password")
	errSomeoneElse = &refusal{code: codeAuth, text: "nobody can log in here as somebody else"}
	errLineBreak   = &refusal{code: codeAuth, text: "a name or a password holds no line break and no NUL"}
)

// mechanisms are those of CAPA's SASL line. Each gives what to log in with.
var mechanisms = map[string]func(*negotiation) (login, error){
	"PLAIN": (*negotiation).plain,
	"LOGIN": (*negotiation).login,
}

// auth is AUTH (RFC 5034 §4).
func (s *session) auth(ctx context.Context, argument []byte) error {
	if !s.mayLogIn() {
		return errNeedsTLS
	}
	name, initial, given := bytes.Cut(bytes.TrimRight(argument, " "), []byte{' '})
	mechanism, known := mechanisms[strings.ToUpper(string(name))]
	if !known {
		return errMechanism
	}
	l, err := mechanism(&negotiation{session: s, initial: bytes.Clone(initial), given: given})
	if err != nil {
		return err
	}
	l.came = time.Now()
	return s.authenticate(ctx, l)
}

// A negotiation is the challenges and responses of one AUTH.
type negotiation struct {
	*session
	initial []byte // what the client sent with AUTH already
	given   bool   // it did, and it was not used yet
}

// plain is PLAIN (RFC 4616 §2): whom to act for, NUL, the name, NUL, the password. One may act for oneself alone.
func (x *negotiation) plain() (login, error) {
	response, err := x.ask("")
	if err != nil {
		return login{}, err
	}
	parts := strings.Split(response, "\x00")
	switch {
	case len(parts) != 3:
		return login{}, errPlain
	case parts[0] != "" && parts[0] != parts[1]:
		return login{}, errSomeoneElse
	}
	return newLogin(parts[1], parts[2])
}

// login is LOGIN, which no RFC has: the server asks for the name, and then for the password. Some clients send the
// name with AUTH.
func (x *negotiation) login() (login, error) {
	name, err := x.ask("Username:")
	if err != nil {
		return login{}, err
	}
	password, err := x.ask("Password:")
	if err != nil {
		return login{}, err
	}
	return newLogin(name, password)
}

// newLogin holds name and password to what USER and PASS could have said, as the provider will be told them.
func newLogin(name, password string) (login, error) {
	if strings.ContainsAny(name+password, "\x00\r\n") {
		return login{}, errLineBreak
	}
	if name == "" {
		return login{}, errEmptyName
	}
	return login{name: name, password: wire.NewSecret(password)}, nil
}

// ask sends a challenge and gives the client's response; the first may have come with AUTH.
func (x *negotiation) ask(challenge string) (string, error) {
	if x.given {
		x.given = false
		if string(x.initial) == "=" { // it is empty
			return "", nil
		}
		return decode(x.initial)
	}
	if err := x.conn.WriteLine("+ " + base64.StdEncoding.EncodeToString([]byte(challenge))); err != nil {
		return "", err
	}
	response, err := x.readLine(maxResponse)
	switch {
	case errors.Is(err, wire.ErrLineTooLong):
		return "", errResponse
	case err != nil:
		return "", err
	case string(response) == "*":
		return "", errCancelled
	}
	return decode(response)
}

// decode refuses what isn't base64 (RFC 5034 §4: nothing is to be passed over), a CR inside too.
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
