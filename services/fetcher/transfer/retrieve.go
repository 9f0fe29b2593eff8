package transfer

import (
	"context"
	"errors"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
)

// retrieve gets the mails of the plan, within the limits of a session. Where the provider offers PIPELINING,
// more small ones are asked for than were answered; what was asked for is always read.
func (s *session) retrieve(ctx context.Context) error {
	list := s.plan.retrieve[:min(len(s.plan.retrieve), max(0, s.Limits.Mails-len(s.at)))]
	began := time.Now()
	sent, ahead, asked := 0, uint64(0), uint64(0)
	for answered := 0; ; answered++ {
		for sent < len(list) && !s.ended() && time.Since(began) < s.Limits.Time {
			size := list[sent].Size
			if sent > 0 && asked+size > s.Limits.Octets {
				break
			}
			if sent > answered && (sent-answered >= s.conn.Window() || ahead+size > contract.MaxPut) {
				break
			}
			if err := s.conn.SendRetr(list[sent].Number); err != nil {
				return err
			}
			sent, ahead, asked = sent+1, ahead+size, asked+size
		}
		if answered == sent {
			return ctx.Err()
		}
		if err := s.receive(ctx, list[answered]); err != nil {
			return err
		}
		ahead -= list[answered].Size
	}
}

// ended tells whether no further mail may be asked for.
func (s *session) ended() bool {
	if s.failed == nil {
		s.failed = s.puts.failed()
	}
	if s.failed != nil {
		return true
	}
	select {
	case <-s.Stop: // never, where it's nil
		return true
	default:
		return false
	}
}

// receive reads one mail and does with it what it turns out to need.
func (s *session) receive(ctx context.Context, e provider.Entry) error {
	body, err := s.conn.Body(int64(s.Limits.Mail))
	var refusal *provider.Refusal
	if errors.As(err, &refusal) {
		s.result.Refused = refusal.Words()
		s.refusals++
		s.Log.Warn("mail refused by the provider", "number", e.Number, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	c, err := s.read(ctx, body, e)
	if err != nil || c == nil {
		return err
	}
	return s.settle(ctx, e, c)
}

// settle finds out which mail it is that a number gave, and puts it where it's a new one.
func (s *session) settle(ctx context.Context, e provider.Entry, c *content) error {
	m := &seen{entry: e, sha: c.sha, head: c.head, known: s.match(e, c.sha)}
	var replaces *row
	switch {
	case m.known != nil && m.known.held():
		replaces, m.known = m.known, nil
		switch other, known := s.original(c.sha); {
		case other == nil:
		case !known:
			m.unsure = true
		default:
			// The original's number gives other bytes now: these were this mail's all along.
			other.taken, replaces.taken, m.known = true, false, other
		}
	case m.known == nil:
		m.twin = len(s.groups[c.sha]) > 0 || s.claimed(e, c.sha)
	}
	s.see(m)
	if m.known != nil || m.twin || m.unsure {
		c.drop(ctx)
		return nil
	}
	m.put = c.put(e, replaces)
	if err := s.puts.add(ctx, m.put); err != nil {
		m.put = nil
		s.fail(err)
	}
	return ctx.Err()
}
