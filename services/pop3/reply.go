package pop3

import (
	"errors"
	"strings"

	"postroom/services/wire"
)

// Response codes (RFC 2449 §8.1, RFC 3206 §4).
const (
	codeAuth  = "AUTH"     // the login data, or where they are used from
	codeTemp  = "SYS/TEMP" // whatever isn't known to be lasting
	codeInUse = "IN-USE"   // another session has the mailbox
)

// A refusal becomes an -ERR reply; the session goes on.
type refusal struct {
	code     string // response code without brackets; may be empty
	text     string // for the client: nothing of a path, a setting or another account
	cause    error  // for the log alone; may be nil
	protocol bool   // the client didn't keep to the protocol, and may do so maxBadCommands times
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.cause }

func protocolError(text string) *refusal { return &refusal{text: text, protocol: true} }

// storeRefusal is what a client is told when the store gave no answer that could be used. What is not known
// is temporary.
func storeRefusal(cause error) *refusal {
	return &refusal{code: codeTemp, text: "the mailbox can't be reached, try again later", cause: cause}
}

// answer writes the refusal that err is, and gives back what ends the session.
func (s *session) answer(command string, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	if r.cause != nil {
		s.log.Warn("refused", "command", command, "err", r.cause)
	}
	if err := s.refuse(r); err != nil {
		return err
	}
	if r.protocol {
		s.bad++
		s.over = s.over || s.bad >= maxBadCommands
	}
	return nil
}

// ok writes a positive reply of one line, or the first line of a longer one.
func (s *session) ok(text string) error {
	return s.conn.WriteLine("+OK " + text)
}

// lines writes a positive reply of several lines, none of which begins with a dot.
func (s *session) lines(title string, list []string) error {
	if err := s.ok(title); err != nil {
		return err
	}
	for _, line := range list {
		if err := s.conn.WriteLine(line); err != nil {
			return err
		}
	}
	return s.conn.WriteLine(".")
}

// refuse writes a negative reply. It ends in the connection's id, so that a complaint finds its log lines.
func (s *session) refuse(r *refusal) error {
	begin, end := "-ERR ", " (conn "+s.id+")"
	if r.code != "" {
		begin += "[" + r.code + "] "
	}
	room := wire.MaxReply - len(begin) - len(end) - len("\r\n")
	return s.conn.WriteLine(begin + oneLine(r.text, room) + end)
}

// oneLine makes text fit for a reply: printable ASCII (RFC 1939 §3), at most limit octets. The store's
// texts can hold a provider's own words.
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
