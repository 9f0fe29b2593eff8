package transfer

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
)

// plan is what a session has to do.
type plan struct {
	check    []known          // TOP n 0 may show that it's what is stored
	nameless []provider.Entry // the same, but the name doesn't say which row's
	large    []provider.Entry // over the limit, and perhaps without a notice yet
	retrieve []provider.Entry // in this order
}

// known is a mail of the listing with the one row of its UIDL and size.
type known struct {
	entry provider.Entry
	row   *row
}

// place is where a mail of the listing goes by what is known of its name and size.
type place int

const (
	leaveAlone place = iota
	lookAt
	retrieve
)

// compare reconciles the ledger with the listing: it gives what the ledger is to be told at once, and makes the plan.
func (s *session) compare() []*contract.LedgerMark {
	var marks []*contract.LedgerMark
	listed := map[string]bool{}
	for _, e := range s.listing.Mails {
		listed[e.UIDL] = true
	}
	twins := map[digest]bool{}  // bytes that two numbers gave
	stored := map[uint64]bool{} // sizes of mails that are
	for _, r := range s.ledger.rows {
		r.moved = s.listing.UIDLs && r.uidl != "" && !listed[r.uidl]
		stored[r.size] = stored[r.size] || r.stored()
		switch {
		case r.moved && r.state == contract.LedgerState_DELE_SENT:
			// The provider did what it was asked for, though its answer was lost.
			r.state, r.unsure = contract.LedgerState_DELE_ACKED, true
			marks = append(marks, to(r.state, r.id)...)
		case r.isTwin() && !r.moved:
			twins[r.key] = true
		case r.heldForSize() && s.sizes.inexact() && r.octets > 0 && len(r.versions) == 1:
			r.state, r.reason = contract.LedgerState_STORED, contract.LedgerReason_REASON_UNSPECIFIED
			marks = append(marks, to(r.state, r.id)...)
		}
	}
	order := map[int]int{} // in which mails are retrieved
	for _, e := range s.listing.Mails {
		rows := s.ledger.byUIDL[e.UIDL]
		twin := slices.ContainsFunc(rows, func(r *row) bool { return twins[r.key] })
		if e.Unique && e.Sized && len(rows) == 1 && rows[0].size == e.Size && !twin {
			r := rows[0]
			switch s.place(e, r) {
			case lookAt:
				s.plan.check = append(s.plan.check, known{e, r})
				continue
			case leaveAlone:
				marks = append(marks, s.leave(e, r)...)
				continue
			}
		}
		switch {
		case s.tooLarge(e):
			s.plan.large = append(s.plan.large, e)
			continue
		case !e.Unique && !twin && s.Delete.keeps() && e.Sized && stored[e.Size]:
			s.plan.nameless = append(s.plan.nameless, e)
			continue
		case len(rows) == 0: // new, it seems
		case !twin:
			order[e.Number] = 3
		case slices.ContainsFunc(rows, (*row).isTwin):
			order[e.Number] = 2 // when its twin was seen
		default:
			order[e.Number] = 1
		}
		s.plan.retrieve = append(s.plan.retrieve, e)
	}
	// What was looked at last comes last, so that mails that can't be deleted don't keep others waiting.
	slices.SortStableFunc(s.plan.check, func(a, b known) int { return a.row.changed.Compare(b.row.changed) })
	slices.SortStableFunc(s.plan.retrieve, func(a, b provider.Entry) int { return cmp.Compare(order[a.Number], order[b.Number]) })
	if known := slices.IndexFunc(s.plan.retrieve, func(e provider.Entry) bool { return order[e.Number] == 3 }); known >= 0 && len(s.plan.retrieve) > s.Limits.Mails {
		rotate(s.plan.retrieve[known:])
	}
	return marks
}

// place decides by the one row that has a mail's UIDL and size.
func (s *session) place(e provider.Entry, r *row) place {
	switch {
	case r.large():
		if r.limit < s.Limits.Mail && !s.tooLarge(e) {
			return retrieve // the limit is higher now
		}
		return leaveAlone
	case r.left() && !r.accepted:
		return leaveAlone
	case r.heldForSize() && s.rests(r):
		return leaveAlone
	case r.held():
		return retrieve
	case !s.due(r.first):
		return leaveAlone
	}
	return lookAt
}

// leave leaves a mail alone. Where it was deleted, and is listed again, its row must not grow old as that of one that
// is gone.
func (s *session) leave(e provider.Entry, r *row) []*contract.LedgerMark {
	s.alone[e.Number], r.alone = true, true
	if r.large() {
		s.result.TooLarge++
	}
	switch {
	case !r.acked():
		return nil
	case r.left():
		return to(contract.LedgerState_LEFT, r.id)
	}
	return to(contract.LedgerState_STORED, r.id)
}

// tooLarge tells whether LIST says that a mail is over the limit, and can be believed.
func (s *session) tooLarge(e provider.Entry) bool {
	return e.Sized && e.Size > s.Limits.Mail && !s.sizes.inexact()
}

// rotate lets a list begin anywhere: each session takes only the first of them.
func rotate(list []provider.Entry) {
	if n := len(list); n > 1 {
		from := rand.IntN(n)
		copy(list, slices.Concat(list[from:], list[:from]))
	}
}
