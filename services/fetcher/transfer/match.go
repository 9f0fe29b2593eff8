package transfer

import (
	"postroom/services/fetcher/provider"
)

// match finds the row of what RETR gave, one that no other number has taken; nil: it's a new mail.
//
// A UIDL that is in the listing once finds rows with the same UIDL alone, deleted ones too. A blank or doubled one
// proves nothing by itself: then the bytes have to be those of a row that may be at the provider still.
func (s *session) match(e provider.Entry, sha digest) *row {
	var found *row
	for _, r := range s.ledger.bySHA[sha] {
		same := r.uidl == e.UIDL || !s.listing.UIDLs
		if r.taken || !same || !e.Unique && !r.open() && !r.held() {
			continue
		}
		if found == nil || found.held() {
			found = r
		}
	}
	if found != nil {
		found.taken = true
	}
	return found
}

// original looks for the mail that a held one is a twin of, where that one didn't give these bytes in this
// session. No row: it did, or it's gone, and the held one is a mail of its own. A row with known: its number gave
// other bytes. A row alone: its number wasn't seen.
func (s *session) original(sha digest) (other *row, known bool) {
	if len(s.groups[sha]) > 0 {
		return nil, false
	}
	for _, r := range s.ledger.bySHA[sha] {
		if !r.open() || r.taken {
			continue
		}
		if number := s.listed(r); number != 0 {
			return r, s.at[number] != nil
		}
	}
	return nil, false
}

// claimed tells whether bytes that no other number gave so far are stored as those of another number, which is
// still to be asked: a provider that mixes up two mails must not have one of them deleted.
func (s *session) claimed(e provider.Entry, sha digest) bool {
	for _, r := range s.ledger.bySHA[sha] {
		if r.taken || r.held() {
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

// deletable tells whether all numbers that gave these bytes may be deleted: each is known to be a mail of its own
// that is stored.
func (s *session) deletable(sha digest, group []*seen) bool {
	for _, r := range s.ledger.bySHA[sha] {
		if r.held() && !r.taken && !s.freed(r) {
			return false // a twin wasn't seen again
		}
	}
	for _, m := range group {
		switch {
		case m.twin, m.unsure:
			return false
		case m.known != nil:
		case m.put == nil, !m.put.stored():
			return false
		case m.put.replaces == 0 && len(group) > 1:
			return false // new, and known by this one session alone
		}
	}
	return true
}

// freed tells that a row's mail isn't there: every number that could be it gave other bytes in this session.
func (s *session) freed(r *row) bool {
	return !r.taken && (r.open() || r.held()) && !s.unseen[r.uidl] && (r.uidl == "" || s.listing.UIDLs)
}
