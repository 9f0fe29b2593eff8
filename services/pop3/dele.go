package pop3

import (
	"context"
	"fmt"
)

// dele is DELE (RFC 1939 §5): a mark, until QUIT.
func (s *session) dele(_ context.Context, argument []byte) error {
	m, err := s.mailbox.message(argument)
	if err != nil {
		return err
	}
	m.deleted = true
	return s.ok("deleted")
}

// rset is RSET (RFC 1939 §5). Here it takes back as well that messages were retrieved: none leaves at QUIT
// but what is deleted or retrieved after it.
func (s *session) rset(context.Context, []byte) error {
	s.mailbox.reset()
	messages, octets := s.mailbox.total()
	return s.ok(fmt.Sprintf("the mailbox has %d messages (%d octets)", messages, octets))
}
