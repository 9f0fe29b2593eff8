package pop3

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
)

// stat is STAT (RFC 1939 §5): messages marked as deleted are counted in neither.
func (s *session) stat(context.Context, []byte) error {
	messages, octets := s.mailbox.total()
	return s.ok(fmt.Sprintf("%d %d", messages, octets))
}

// list is LIST (RFC 1939 §5): the octets that RETR sends, stuffing not counted (RFC 1939 §11).
func (s *session) list(_ context.Context, argument []byte) error {
	messages, octets := s.mailbox.total()
	return s.listing(argument, fmt.Sprintf("%d messages (%d octets)", messages, octets), func(b []byte, m *message) []byte {
		return strconv.AppendInt(b, m.octets, 10)
	})
}

// uidl is UIDL (RFC 1939 §7).
func (s *session) uidl(_ context.Context, argument []byte) error {
	return s.listing(argument, "unique ids follow", func(b []byte, m *message) []byte {
		return append(b, m.uidl...)
	})
}

// listing writes one line for the message in argument, or without one a line for each that isn't deleted.
func (s *session) listing(argument []byte, title string, show func([]byte, *message) []byte) error {
	if len(bytes.TrimRight(argument, " ")) > 0 {
		m, err := s.mailbox.message(argument)
		if err != nil {
			return err
		}
		return s.ok(string(numbered(nil, m, show)))
	}
	if err := s.ok(title); err != nil {
		return err
	}
	var line []byte
	for i := range s.mailbox.messages {
		m := &s.mailbox.messages[i]
		if m.deleted {
			continue
		}
		line = append(numbered(line[:0], m, show), "\r\n"...)
		if _, err := s.conn.Write(line); err != nil {
			return err
		}
	}
	return s.conn.WriteLine(".")
}

func numbered(b []byte, m *message, show func([]byte, *message) []byte) []byte {
	return show(append(strconv.AppendInt(b, int64(m.number), 10), ' '), m)
}
