package pop3

import (
	"bytes"
	"context"
	"strings"
)

// states is a set of the states of a session (RFC 1939 §3).
type states uint8

const (
	authorization states = 1 << iota // until a login is accepted
	transaction                      // a mailbox is open
	update                           // QUIT was given: what leaves it is committed
)

// command is what a word of the dialogue does, and where.
type command struct {
	in   states // where it may be given
	bare bool   // it takes no argument
	run  func(s *session, ctx context.Context, argument []byte) error
}

// commands is the whole of the dialogue, a table of states: what may be given where. A login leads from AUTHORIZATION to
// TRANSACTION, QUIT from there to UPDATE, and nothing leads back. A command writes one whole reply and returns nil, or it has
// written nothing and returns a *refusal, which becomes the reply; any other error ends the session.
var commands = map[string]command{
	"CAPA": {authorization | transaction, true, (*session).capa},  // RFC 2449 §5
	"STLS": {authorization, true, (*session).stls},                // RFC 2595 §4
	"UTF8": {authorization, true, (*session).utf8},                // RFC 6856 §2.1
	"LANG": {authorization | transaction, false, (*session).lang}, // RFC 6856 §3
	"AUTH": {authorization, false, (*session).auth},               // RFC 5034 §4
	"USER": {authorization, false, (*session).user},               // RFC 1939 §7
	"PASS": {authorization, false, (*session).pass},               // RFC 1939 §7
	"QUIT": {authorization | transaction, true, (*session).quit},  // RFC 1939 §4, §6
	"STAT": {transaction, true, (*session).stat},                  // RFC 1939 §5
	"LIST": {transaction, false, (*session).list},                 // RFC 1939 §5
	"UIDL": {transaction, false, (*session).uidl},                 // RFC 1939 §7
	"RETR": {transaction, false, (*session).retr},                 // RFC 1939 §5
	"TOP":  {transaction, false, (*session).top},                  // RFC 1939 §7
	"DELE": {transaction, false, (*session).dele},                 // RFC 1939 §5
	"RSET": {transaction, true, (*session).rset},                  // RFC 1939 §5
	"NOOP": {transaction, true, (*session).noop},                  // RFC 1939 §5
}

// What a client is told that doesn't keep to the protocol (RFC 1939 §3).
var (
	errUnknown     = protocolError("unknown command")
	errTooLong     = protocolError("a command is at most 255 octets long") // RFC 2449 §4
	errNotYet      = protocolError("log in first")
	errNotAnyMore  = protocolError("not possible once you are logged in")
	errNoArgument  = protocolError("this command takes no argument")
	errBadArgument = protocolError("a message number is missing, or is none")
)

// execute answers one command line.
func (s *session) execute(ctx context.Context, line []byte) error {
	word, argument, _ := bytes.Cut(line, []byte{' '}) // RFC 1939 §3: one space
	name := strings.ToUpper(string(word))
	c, known := commands[name]
	if !known {
		name = "unknown" // whatever it is: a password that lost its PASS too
	}
	s.log.Debug("command", "command", name)

	err := c.check(s.state, known, argument)
	if err == nil {
		err = c.run(s, ctx, argument)
	}
	return s.answer(name, err)
}

// check holds a command to where and how it may be given.
func (c command) check(state states, known bool, argument []byte) error {
	switch {
	case !known:
		return errUnknown
	case c.in&state == 0 && state == authorization:
		return errNotYet
	case c.in&state == 0:
		return errNotAnyMore
	case c.bare && len(bytes.TrimRight(argument, " ")) > 0:
		return errNoArgument
	}
	return nil
}
