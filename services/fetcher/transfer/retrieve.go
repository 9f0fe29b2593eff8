package transfer

import (
	"context"
	"errors"

	"postroom/services/fetcher/provider"
)

// maxAhead is how much the provider may be asked for ahead of what was read, octets by LIST: what was asked for is
// read to its end, whatever happens. None of it is held in memory but one mail's piece.
const maxAhead = 4 << 20

// retrieve gets the mails of the plan, within the limits of a session. Where the provider offers PIPELINING,
// more small ones are asked for than were answered; what was asked for is always read. A mail that is refused doesn't
// count: others come in its place.
func (s *session) retrieve(ctx context.Context) error {
	list := s.plan.retrieve
	sent, room, ahead, asked := 0, s.Limits.Mails, uint64(0), uint64(0)
	for answered := 0; ; answered++ {
		for sent < len(list) && sent-answered < min(s.conn.Window(), room) && !s.ended() {
			size := list[sent].Size
			if sent > 0 && asked+size > s.Limits.Octets || sent > answered && ahead+size > maxAhead {
				break
			}
			if err := s.conn.SendRetr(list[sent].Number); err != nil {
				return err
			}
			sent, ahead, asked = sent+1, ahead+size, asked+size
		}
		if answered == sent {
			s.undone += len(list) - sent
			return ctx.Err()
		}
		given, err := s.receive(ctx, list[answered])
		if err != nil {
			return err
		}
		ahead -= list[answered].Size
		asked = max(asked, s.result.Octets)
		if given {
			room--
		}
	}
}

// receive reads one mail, where the provider gives it, and does with it what it turns out to need.
func (s *session) receive(ctx context.Context, e provider.Entry) (given bool, err error) {
	body, err := s.conn.Body(int64(s.Limits.Mail))
	var refusal *provider.Refusal
	if errors.As(err, &refusal) {
		s.result.Refused = refusal.Words()
		s.Log.Warn("mail refused by the provider", "number", e.Number, "err", err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c, err := s.read(ctx, body, e)
	if err != nil || c == nil {
		return true, err
	}
	return true, s.settle(ctx, e, c)
}
