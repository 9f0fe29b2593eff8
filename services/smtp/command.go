package smtp

import (
	"bytes"
	"context"
	"strings"
)

// states is a set of the states of a session (RFC 5321 §4.1.4).
type states uint8

const (
	silent    states = 1 << iota // until EHLO or HELO
	ready                        // no mail is under way
	given                        // MAIL was taken
	addressed                    // a RCPT was, too
	chunked                      // a BDAT was, and it wasn't the last one

	anywhere = silent | ready | given | addressed | chunked
)

// command is what a word of the dialogue does, and where.
type command struct {
	in   states // where it may be given
	bare bool   // it takes no argument
	run  func(s *session, ctx context.Context, argument []byte) error
}

// commands is the whole of the dialogue, a table of states: what may be given where. EHLO leads to ready, MAIL, RCPT, BDAT
// onwards, and the end of the mail, RSET, EHLO and STARTTLS back. A command writes one whole reply and returns nil, or it has
// written nothing and returns a *refusal, which becomes the reply; any other error ends the session.
var commands = map[string]command{
	"EHLO":     {anywhere, false, (*session).ehlo},          // RFC 5321 §4.1.1.1
	"HELO":     {anywhere, false, (*session).helo},          // RFC 5321 §4.1.1.1
	"STARTTLS": {silent | ready, true, (*session).startTLS}, // RFC 3207 §4
	"AUTH":     {ready, false, (*session).auth},             // RFC 4954 §4
	"MAIL":     {ready, false, (*session).mailFrom},         // RFC 5321 §4.1.1.2
	"RCPT":     {given | addressed, false, (*session).rcpt}, // RFC 5321 §4.1.1.3
	"DATA":     {addressed, true, (*session).data},          // RFC 5321 §4.1.1.4
	"BDAT":     {anywhere, false, (*session).bdat},          // RFC 3030 §2; it looks at the state itself
	"RSET":     {anywhere, true, (*session).rset},           // RFC 5321 §4.1.1.5
	"VRFY":     {anywhere, false, (*session).vrfy},          // RFC 5321 §4.1.1.6
	"HELP":     {anywhere, false, (*session).help},          // RFC 5321 §4.1.1.8
	"NOOP":     {anywhere, false, (*session).noop},          // RFC 5321 §4.1.1.9
	"QUIT":     {anywhere, true, (*session).quit},           // RFC 5321 §4.1.1.10
}

// What a client is told that doesn't keep to the protocol.
var (
	errUnknown    = protocolError(500, "5.5.2", "unknown command")
	errTooLong    = protocolError(500, "5.5.2", "a command is at most 2048 octets long")
	errNoArgument = protocolError(501, "5.5.4", "this command takes no argument")
	errHello      = &refusal{code: 503, enhanced: "5.5.1", text: "EHLO comes first", idle: true}
	errOrder      = &refusal{code: 503, enhanced: "5.5.1", text: "not now: a mail is MAIL, RCPT and then DATA or BDAT", idle: true}
	errHTTP       = &refusal{code: 554, enhanced: "5.5.1", text: "this is not a web server", end: true}
)

// execute answers one command line.
func (s *session) execute(ctx context.Context, line []byte) error {
	word, argument, _ := bytes.Cut(line, []byte{' '})
	name := strings.ToUpper(string(word))
	c, known := commands[name]
	var err error
	switch {
	case !known && isHTTP(line):
		// A page that a browser shows can make it send what it likes, under HTTP's first lines.
		err = errHTTP
	case !known:
		err = errUnknown
	case c.in&s.state() == 0 && s.hello == "":
		err = errHello
	case c.in&s.state() == 0:
		err = errOrder
	case c.bare && len(bytes.TrimRight(argument, " ")) > 0:
		err = errNoArgument
	}
	if !known {
		name = "unknown" // whatever it is: a password that lost its AUTH too
	}
	s.log.Debug("command", "command", name)
	if err == nil {
		err = c.run(s, ctx, argument)
	}
	return s.answer(name, err)
}

func isHTTP(line []byte) bool {
	return bytes.Contains(line, []byte(" HTTP/")) || bytes.HasPrefix(line, []byte("Host:"))
}

// state is where the session is.
func (s *session) state() states {
	switch {
	case s.hello == "":
		return silent
	case s.mail == nil:
		return ready
	case s.mail.intake != nil:
		return chunked
	case len(s.mail.recipients) > 0:
		return addressed
	}
	return given
}
