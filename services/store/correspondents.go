package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

const (
	keepCorrespondents = 365 * 24 * time.Hour
	maxCorrespondents  = 20_000 // of an account
	evictAtOnce        = 1_000  // the oldest, when there are so many: to find them takes a look at all
)

// dayOf is a day as Correspondents has it, since 1970 (UTC).
func dayOf(now time.Time) uint32 { return uint32(max(now.Unix(), 0) / (24 * 60 * 60)) }

// correspondentKey is the key of an address that an account wrote to. Nobody can tell the address from it without the
// machine key.
func (s *Store) correspondentKey(id accountID, address string) []byte {
	return append(id[:], s.secrets.correspondent(strings.ToLower(address), id[:])[:16]...)
}

// remember keeps whom an account wrote to, and when: the account whose the mail is, or that its client logged in as. Mail
// of anyone else, and of the box itself, says nothing about whom a user knows.
func (s *Store) remember(t *engine.Txn, by sender, m *contract.SubmitMail) error {
	var a *account
	switch {
	case m.Client == "":
		return nil
	case by.owner:
		a = by.account
	case by.loggedIn != nil:
		a = by.loggedIn
	default:
		return nil
	}
	day := binary.BigEndian.AppendUint32(nil, dayOf(t.Now()))
	added := uint32(0)
	for _, r := range m.Recipients {
		key := s.correspondentKey(a.id, r.Address)
		before := t.Get(engine.Correspondents, key)
		if bytes.Equal(before, day) {
			continue
		}
		t.Put(engine.Correspondents, key, day)
		if before == nil {
			added++
		}
	}
	if added == 0 {
		return nil
	}
	n := correspondents(&t.Reader, a.id) + added
	setCorrespondents(t, a.id, n)
	if n > maxCorrespondents {
		return evictCorrespondents(t, a.id)
	}
	return nil
}

func correspondents(r *engine.Reader, id accountID) uint32 {
	if value := r.Get(engine.Correspondents, id[:]); len(value) == 4 {
		return binary.BigEndian.Uint32(value)
	}
	return 0
}

func setCorrespondents(t *engine.Txn, id accountID, n uint32) {
	t.Put(engine.Correspondents, id[:], binary.BigEndian.AppendUint32(nil, n))
}

// evictCorrespondents forgets those that an account wrote to longest ago, and counts the rest.
func evictCorrespondents(t *engine.Txn, id accountID) error {
	type one struct {
		key []byte
		day uint32
	}
	var all []one
	for key, value := range t.Scan(engine.Correspondents, id[:], id[:]) {
		if len(value) == 4 {
			all = append(all, one{bytes.Clone(key), binary.BigEndian.Uint32(value)})
		}
	}
	slices.SortStableFunc(all, func(a, b one) int { return cmp.Compare(a.day, b.day) })
	over := max(0, len(all)-maxCorrespondents+evictAtOnce)
	if len(all) <= maxCorrespondents {
		over = 0 // the count was wrong
	}
	for _, c := range all[:over] {
		t.Delete(engine.Correspondents, c.key)
	}
	setCorrespondents(t, id, uint32(len(all)-over))
	return nil
}

// expireCorrespondent is for one row of Correspondents that may be over.
func correspondentIsOver(key, value []byte, now time.Time) bool {
	return len(key) == 2*len(accountID{}) && len(value) == 4 &&
		over(int64(binary.BigEndian.Uint32(value))*int64(24*time.Hour), keepCorrespondents+24*time.Hour, now)
}
