package transfer

import (
	"postroom/services/contract"
	"postroom/services/fetcher/provider"
)

// maybe tells whether a number may be a row's mail, as far as names tell.
//
// A UIDL that is in the listing once means the rows of that UIDL, deleted ones too. A blank or doubled one
// proves nothing: then it may be any row that had the same, or any at all where the provider has no UIDLs. A row whose
// UIDL isn't listed may have changed its name: then it's any number with the same size; but where only the answer to
// QUIT is missing that would have said that it's gone, one without a name.
func (s *session) maybe(r *row, e provider.Entry) bool {
	switch {
	case r.taken || r.alone:
		return false
	case r.moved:
		return r.size == e.Size && (!r.acked() || r.unsure && !e.Unique)
	case e.Unique:
		return r.uidl == e.UIDL
	}
	return !r.acked() && (r.uidl == e.UIDL || !s.listing.UIDLs)
}

// byBytes finds the row that knows what RETR gave, one that no other number has taken. One of its name is better than
// one that changed it, and one that is stored better than one that is held.
func (s *session) byBytes(rows []*row, e provider.Entry) *row {
	var found *row
	worth := func(r *row) (n int) {
		if !r.moved {
			n += 2
		}
		if !r.held() {
			n++
		}
		return n
	}
	for _, r := range rows {
		if s.maybe(r, e) && (found == nil || worth(r) > worth(found)) {
			found = r
		}
	}
	return found
}

// byName finds the row of a mail that gives other bytes than before, or wasn't retrieved yet: one that is held for its
// size, or left. Where the UIDL doesn't tell, the size has to be the same, and the header, too, before what is held is
// given up for a mail that is whole.
func (s *session) byName(e provider.Entry, c *content, whole bool) *row {
	var found *row
	for _, r := range s.ledger.rows {
		if !r.heldForSize() && !r.left() || !s.maybe(r, e) || r.moved && s.own(e) {
			continue
		}
		if e.Unique && !r.moved || r.size == e.Size && r.head == c.head {
			return r
		}
		if r.size == e.Size && !whole && !r.large() {
			found = r
		}
	}
	return found
}

// cutShort finds the row of a mail that is stored whole, and comes short this time: by its size and header, or, empty,
// by its size. It's enough to know that it isn't new, not enough to delete it.
func (s *session) cutShort(e provider.Entry, c *content) *row {
	for _, r := range s.ledger.rows {
		if r.stored() && e.Sized && r.size == e.Size && (c.octets == 0 || r.head == c.head) && s.maybe(r, e) {
			return r
		}
	}
	return nil
}

// own tells whether a number has a name that rows have.
func (s *session) own(e provider.Entry) bool { return e.Unique && len(s.ledger.byUIDL[e.UIDL]) > 0 }

// original looks for the mail that a held one is a twin of, where that one didn't give these bytes in this
// session. No row: it did, or it's gone, and the held one is a mail of its own. A row with known: its number gave
// other bytes. A row alone: its number wasn't seen.
func (s *session) original(key digest) (other *row, known bool) {
	if len(s.groups[key]) > 0 {
		return nil, false
	}
	for _, r := range s.ledger.byKey[key] {
		if !r.stored() || r.taken {
			continue
		}
		if number := s.listed(r); number != 0 {
			return r, s.at[number] != nil
		}
	}
	return nil, false
}

// claimed tells whether bytes that no other number gave so far are stored as those of another number, which is
// still to be asked: a provider that mixes up two mails must not have one of them deleted. Bytes that fit here, and are
// held since they didn't fit there, aren't the other's.
func (s *session) claimed(rows []*row, e provider.Entry, fits bool) bool {
	for _, r := range rows {
		if r.taken || r.isTwin() || r.heldForSize() && fits {
			continue
		}
		if number := s.listed(r); number != 0 && number != e.Number && s.at[number] == nil {
			return true
		}
	}
	return false
}

// listed gives the number that has a row's UIDL for its own; 0: none has.
func (s *session) listed(r *row) int { return s.numbers[r.uidl] }

// unseen says which names and sizes the numbers have that were neither seen nor left alone.
type unseen struct {
	names map[string]bool // UIDLs
	sized map[namedSize]bool
	sizes map[uint64]bool
}

type namedSize struct {
	uidl string
	size uint64 // 0: LIST has none
}

// notSeen is for when all is retrieved.
func (s *session) notSeen() unseen {
	u := unseen{map[string]bool{}, map[namedSize]bool{}, map[uint64]bool{}}
	for _, e := range s.listing.Mails {
		if s.at[e.Number] != nil || s.alone[e.Number] {
			continue
		}
		u.names[e.UIDL], u.sizes[e.Size], u.sized[namedSize{e.UIDL, e.Size}] = true, true, true
	}
	return u
}

// absent tells that a row's mail isn't there: every number that could be it was seen to be another.
func (s *session) absent(r *row) bool {
	switch {
	case r.taken || r.alone || r.acked() || r.uidl != "" && !s.listing.UIDLs:
		return false
	case r.moved:
		return !s.unseen.sizes[r.size]
	case r.heldForSize() && s.listed(r) == 0:
		// A mail that never comes must not hold up another one that is gone.
		return !s.unseen.sized[namedSize{r.uidl, r.size}] && !s.unseen.sized[namedSize{r.uidl, 0}]
	}
	return !s.unseen.names[r.uidl]
}

// goodbye is the state of a row whose mail isn't there any more. What is held for its size is the only copy: it's
// let through, marked.
func (r *row) goodbye() contract.LedgerState {
	if r.isTwin() {
		return contract.LedgerState_LEDGER_UNSPECIFIED
	}
	return contract.LedgerState_DELE_ACKED
}
