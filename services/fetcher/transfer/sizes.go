package transfer

import (
	"time"

	"postroom/services/fetcher/provider"
)

const (
	// slack is by how much a length may differ from LIST's, octets: some servers miscount a missing last CRLF.
	slack = 2
	// mostMisfits is after how many mails in a row, that came the same twice and with another length than LIST said, a
	// provider's sizes say nothing.
	mostMisfits = 20

	// When mail that never comes the same is let through: after so many sessions, over so long.
	doubtSessions = 3
	doubtTime     = 24 * time.Hour
	// eager is how long every fetch tries mail that is held again; from then on the waits double.
	eager = time.Hour
)

// sizes judges LIST's sizes by what RETR gives.
type sizes struct {
	misfits int // in a row
}

// inexact tells that the provider's sizes say nothing.
func (z *sizes) inexact() bool { return z.misfits >= mostMisfits }

// fit tells whether a mail has the length that LIST says; a first one that does makes an inexact provider exact again.
func (z *sizes) fit(e provider.Entry, c *content) bool {
	fits := e.Sized && c.octets > 0 && max(c.octets, e.Size)-min(c.octets, e.Size) <= slack
	if fits && z.inexact() {
		z.misfits = 0
	}
	return fits
}

// whole tells whether a mail can be taken for all that there is of it.
func (z *sizes) whole(e provider.Entry, c *content, fits bool) bool {
	return c.octets > 0 && (fits || !e.Sized || z.inexact())
}

// count takes the mails of a session into account, once what they proved is in the ledger.
func (z *sizes) count(seen []*seen) {
	for _, m := range seen {
		switch {
		case m.fits:
			z.misfits = 0
		case m.content != nil && m.proved && m.entry.Sized && m.octets > 0 && (m.put == nil || m.put.stored()):
			z.misfits++
		}
	}
}

// interrupted is count for a session that broke: what it doubted comes again, and is counted then.
func (z *sizes) interrupted(seen []*seen) {
	for _, m := range seen {
		if m.fits {
			z.misfits = 0
		}
	}
}

// rests tells that held mail isn't retrieved again yet.
func (s *session) rests(r *row) bool {
	age := r.changed.Sub(r.first)
	if !s.ClockGood || age < eager {
		return false
	}
	next := r.changed.Add(age)
	if day := r.first.Add(doubtTime); age < doubtTime && next.After(day) {
		next = day
	}
	return s.began.Before(next)
}

// hopeless tells that one more version of held mail, which came now, is enough: no two sessions gave the same.
func (s *session) hopeless(r *row) bool {
	return s.ClockGood && r.heldForSize() && len(r.versions)+1 >= doubtSessions && !s.began.Before(r.first.Add(doubtTime))
}
