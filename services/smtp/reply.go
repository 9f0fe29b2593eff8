package smtp

import (
	"errors"
	"strconv"
	"strings"
)

// maxReply is the longest line of a reply, CRLF included (RFC 5321 §4.5.3.1.5).
const maxReply = 512

// A refusal becomes a 4yz or 5yz reply; the session goes on.
type refusal struct {
	code     int
	enhanced string // RFC 3463
	text     string // for the client
	cause    error  // for the log alone; may be nil
	protocol bool   // the client didn't keep to the protocol, and may do so maxBad times
	idle     bool   // it got the client no further, and may happen maxIdle times
	end      bool   // the session ends behind it
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.cause }

func protocolError(code int, enhanced, text string) *refusal {
	return &refusal{code: code, enhanced: enhanced, text: text, protocol: true}
}

// because is the refusal with what is behind it, for the log.
func (r refusal) because(cause error) *refusal {
	r.cause = cause
	return &r
}

// about is the refusal of an address.
func (r refusal) about(address string) *refusal {
	r.text = "<" + address + ">: " + r.text
	return &r
}

// errStore is for whatever the store gave no answer to that could be used. What is not known is temporary.
var errStore = &refusal{code: 451, enhanced: "4.3.0", text: "the mail can't be taken now, try again later"}

var (
	errTooManyBad = &refusal{code: 421, enhanced: "4.7.0", text: "too many errors"}
	errTooIdle    = &refusal{code: 421, enhanced: "4.7.0", text: "too many commands without a mail"}
)

// answer writes the refusal that err is, and gives back what ends the session. A client that was refused too often is told
// so, and let go.
func (s *session) answer(command string, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	if r.cause != nil {
		s.log.Warn("refused", "command", command, "reply", r.text, "err", r.cause)
	}
	if err := s.refuse(r); err != nil {
		return err
	}
	if r.end {
		s.over = true
	}
	if r.protocol {
		s.bad++
	}
	if r.idle {
		s.idled++
	}
	return nil
}

// patience ends a session that comes to nothing.
func (s *session) patience() error {
	last := errTooManyBad
	switch {
	case s.over:
		return nil
	case s.bad >= maxBad:
	case s.idled >= maxIdle:
		last = errTooIdle
	default:
		return nil
	}
	s.log.Info("connection ended", "address", s.client, "reply", last.text)
	s.over = true
	return s.refuse(last)
}

// say writes a reply of one line. An enhanced code may be empty: some replies have none (RFC 2034 §3).
func (s *session) say(code int, enhanced, text string) error {
	if enhanced != "" {
		text = enhanced + " " + text
	}
	begin := strconv.Itoa(code) + " "
	return s.conn.WriteLine(begin + oneLine(text, maxReply-len(begin)-len("\r\n")))
}

// refuse writes a negative reply. It ends in the connection's id, so that a complaint finds its log lines.
func (s *session) refuse(r *refusal) error {
	end := " (conn " + s.id + ")"
	begin := r.enhanced + " "
	room := maxReply - len("550 ") - len(begin) - len(end) - len("\r\n")
	return s.say(r.code, "", begin+oneLine(r.text, room)+end)
}

// oneLine makes text fit for a reply: printable ASCII (RFC 5321 §4.2), at most limit octets. Addresses are the client's own
// words, and the store's texts can hold a provider's.
func oneLine(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f:
			return ' '
		case r > '~':
			return '?'
		}
		return r
	}, strings.TrimSpace(text))
	if len(text) > limit {
		text = text[:limit-len("...")] + "..."
	}
	return text
}
