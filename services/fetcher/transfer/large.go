package transfer

import (
	"context"

	"postroom/services/fetcher/provider"
)

// leaveLarge leaves mail at the provider that LIST says is over the limit, with one notice for each, ever: where a row
// says that there was one, there's no other.
func (s *session) leaveLarge(ctx context.Context) error {
	return s.tops(s.plan.large, func(e provider.Entry, t top) error {
		return s.notify(ctx, e, t, e.Size)
	})
}

// notify puts the notice of a mail of so many octets, or more, unless there was one.
func (s *session) notify(ctx context.Context, e provider.Entry, t top, octets uint64) error {
	s.result.TooLarge++
	m := &seen{entry: e, stays: true}
	s.at[e.Number] = m
	replaces := s.noticed(e, t)
	if replaces != nil {
		replaces.taken = true
		if replaces.limit == 0 || replaces.limit >= s.Limits.Mail || !replaces.large() {
			m.known = replaces
			return nil
		}
		// The limit is higher now, and it's still over it.
	}
	n := notice{login: s.Login, host: s.Host, octets: octets, limit: s.Limits.Mail, original: t.text, date: s.began}
	m.put = n.put(e, t.head, replaces)
	if err := s.puts.add(ctx, m.put); err != nil {
		m.put = nil
		s.fail(err)
	}
	return ctx.Err()
}

// noticed finds the row of a mail that has its notice, or that was stored when the limit was higher. Where its UIDL
// doesn't tell, its size and its header do, as far as they are known.
func (s *session) noticed(e provider.Entry, t top) *row {
	for _, r := range s.ledger.rows {
		if !r.large() || !s.maybe(r, e) || r.moved && s.own(e) {
			continue
		}
		if e.Unique && !r.moved || r.size == e.Size && (r.head == t.head || r.head == digest{} || !t.given) {
			return r
		}
	}
	return nil
}
