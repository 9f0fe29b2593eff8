package transfer

import (
	"context"

	"postroom/services/fetcher/provider"
)

// settle decides what a mail is that RETR gave, and puts it where it has to be stored:
//
//	its bytes are known             it's that mail. Were they in doubt, they are proved now
//	another number gave the same    a twin: nothing is stored, until both give them again
//	they are another number's,      it was this mail all along
//	which gives others now
//	it was in doubt, or left        whole now: it takes that place. Else it's one more version
//	it's stored, and comes short    it stays there: the next session may know it again
//	else                            a new mail; held, where its length isn't what LIST says or it's empty
func (s *session) settle(ctx context.Context, e provider.Entry, c *content) error {
	rows, key := s.ledger.find(c)
	m := &seen{entry: e, key: key, content: c, fits: s.sizes.fit(e, c)}
	whole := s.sizes.whole(e, c, m.fits)
	r := s.byBytes(rows, e)
	if r == nil {
		named := s.byName(e, c, whole)
		doubted := named != nil && named.heldForSize()
		m.fresh = true
		switch twin := len(s.groups[key]) > 0 || s.claimed(rows, e, m.fits); {
		case twin && doubted: // it still is: one more version, which another session may prove
			named.taken = true
			return s.put(ctx, m, named, true)
		case twin:
			m.twin = true
			return s.keep(ctx, m)
		case doubted:
			r = named
		default:
			if r = s.displaced(rows); r != nil {
				m.fresh = false
			} else if r = named; r == nil && !whole {
				r = s.cutShort(e, c)
			}
		}
	}
	if r != nil {
		r.taken = true
	}
	switch {
	case r == nil:
		return s.put(ctx, m, nil, !whole)
	case r.isTwin():
		m.proved = true
		switch other, known := s.original(key); {
		case other == nil:
			return s.put(ctx, m, r, false)
		case !known:
			m.unsure, m.doubt = true, r
		default:
			// The original's number gives other bytes now: these were this mail's all along.
			other.taken, r.taken, m.known = true, false, other
		}
	case r.heldForSize() && (r.sha == c.sha || r.key == key):
		m.known, m.proved, m.release = r, true, true
	case r.heldForSize() && !m.fresh: // an older, shorter version
		m.proved = true
		return s.put(ctx, m, r, false)
	case r.heldForSize(), r.large():
		return s.put(ctx, m, r, !whole)
	case r.left() && m.fresh && (m.fits || s.acceptable(e, c, r)):
		return s.put(ctx, m, r, false)
	default:
		m.known, m.stays = r, m.fresh || r.left() && !r.accepted
	}
	return s.keep(ctx, m)
}

// acceptable tells whether what came now is let through as it is, and its copy may go: the owner said so of the mail with
// this UIDL, and asking again would bring yet another version.
func (s *session) acceptable(e provider.Entry, c *content, r *row) bool {
	return r.accepted && s.listed(r) == e.Number && c.octets > 0
}

// keep notes a mail of which nothing is put.
func (s *session) keep(ctx context.Context, m *seen) error {
	m.drop(ctx)
	m.body = nil
	s.see(m)
	return ctx.Err()
}

// put gives a mail to the store.
func (s *session) put(ctx context.Context, m *seen, replaces *row, hold bool) error {
	m.put, m.stays = m.content.put(m.entry, replaces, hold), hold
	s.see(m)
	if err := s.puts.add(ctx, m.put); err != nil {
		m.put = nil
		s.fail(err)
	}
	m.body = nil // it's the scratch buffer
	return ctx.Err()
}
