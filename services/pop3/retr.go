package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"postroom/services/bodies"
	"postroom/services/contract"
)

// retr is RETR (RFC 1939 §5). What it sent to the final dot leaves at QUIT.
func (s *session) retr(ctx context.Context, argument []byte) error {
	m, err := s.mailbox.message(argument)
	if err != nil {
		return err
	}
	if err := s.send(ctx, m, fmt.Sprintf("%d octets", m.octets), whole); err != nil {
		return err
	}
	m.retrieved = true
	return nil
}

// errEnough is what a part's writer gives once the rest of the message isn't wanted.
var errEnough = errors.New("the rest is not wanted")

func whole(w io.Writer) io.Writer { return w }

// send writes a message, or the part of it that the writer made by part lets pass, as a multi-line reply.
// After damage the connection is closed before the end of the message (so the client can't take it for
// whole), and the store is told.
func (s *session) send(ctx context.Context, m *message, title string, part func(io.Writer) io.Writer) error {
	file, err := s.openBody(m)
	switch {
	case bodies.MayPass(err):
		return storeRefusal(fmt.Errorf("open the body of message %d: %w", m.id, err))
	case err != nil:
		return s.broken(ctx, m, err)
	}
	dots := s.conn.DotWriter() // before the first line, so that it is sent together with the message
	if err := s.ok(title); err != nil {
		return err
	}
	w := part(dots)
	if _, err = w.Write(m.prefix); err == nil {
		err = m.body.CopyTo(w, file)
	}
	if err != nil && err != errEnough {
		return s.broken(ctx, m, err)
	}
	return dots.Close()
}

func (s *session) openBody(m *message) (*os.File, error) {
	if m.body.Length == 0 {
		return nil, nil
	}
	return s.segments.Open(m.body.Segment)
}

// broken gives what ends the session: the connection's error or, reported to the store, damage.
func (s *session) broken(ctx context.Context, m *message, err error) error {
	var d *bodies.Damage
	if errors.As(err, &d) {
		s.reportDamage(ctx, m, d)
	}
	return fmt.Errorf("send message %d: %w", m.id, err)
}

// reportDamage has the store hold the message, in the background.
func (s *session) reportDamage(ctx context.Context, m *message, d *bodies.Damage) {
	s.log.Error("damaged body", "segment", m.body.Segment, "body", m.id, "err", d)
	report := &contract.ReportDamageRequest{Account: s.mailbox.account, Id: m.id, Text: d.Error()}
	s.server.background(ctx, endWait, func(ctx context.Context) {
		if _, err := s.server.store.ReportDamage(ctx, report); err != nil {
			s.log.Error("damage not reported", "body", m.id, "err", err)
		}
	})
}
