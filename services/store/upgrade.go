package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// settleUsers brings users up to date that a version before made, or changed since: it kept neither when a user came nor who waits
// for a licence. What it adds to their rows that version reads over. Then free licences are given to who waits.
func (s *Store) settleUsers(ctx context.Context) error {
	var old [][]byte
	err := s.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Users, nil, nil) {
			u, err := loadUser(r, key)
			if err != nil {
				return err
			}
			if u.Created == 0 {
				old = append(old, bytes.Clone(key))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look through users: %w", err)
	}
	if err := s.db.Update(ctx, func(t *engine.Txn) error { return s.upgradeUsers(t, old) }); err != nil {
		return fmt.Errorf("bring users up to date: %w", err)
	}
	return nil
}

func (s *Store) upgradeUsers(t *engine.Txn, keys [][]byte) error {
	var list []*rows.User
	for _, key := range keys {
		u, err := loadUser(&t.Reader, key)
		if err != nil {
			return err
		}
		if u.Created, err = firstCreated(&t.Reader, u); err != nil {
			return err
		}
		if u.Created == 0 {
			u.Created = t.Now().UnixNano()
		}
		for i, text := range u.Addresses {
			if at := strings.LastIndexByte(text, '@'); at >= 0 {
				u.Addresses[i] = ownAddress(text[:at], text[at+1:])
			}
		}
		if len(u.Addresses) > 0 {
			u.OwnAddress = u.Addresses[0]
		}
		list = append(list, u)
	}
	slices.SortStableFunc(list, func(a, b *rows.User) int { return cmp.Compare(a.Created, b.Created) })
	for _, u := range list {
		if !u.Licensed {
			await(t, u, u.Created)
		}
		saveUser(t, u)
	}
	if err := dropStaleWaiting(t); err != nil {
		return err
	}
	licences, err := s.licences(&t.Reader)
	if err != nil {
		return err
	}
	if now := s.settings.Load().Users.Licences; len(list) > 0 || licences != now {
		return s.setLicences(t, now)
	}
	return nil
}

// firstCreated is when the first of a user's accounts came, with which the user did.
func firstCreated(r *engine.Reader, u *rows.User) (int64, error) {
	first := int64(0)
	for _, id := range u.Accounts {
		var a rows.Account
		if _, err := r.Load(engine.Accounts, id, &a); err != nil {
			return 0, err
		}
		if a.Created != 0 && (first == 0 || a.Created < first) {
			first = a.Created
		}
	}
	return first, nil
}

// dropStaleWaiting takes out of the line who was removed by a version that didn't keep it.
func dropStaleWaiting(t *engine.Txn) error {
	var stale [][]byte
	for place, key := range t.Scan(engine.Meta, waitingPrefix, nil) {
		u, err := loadUser(&t.Reader, key)
		if err != nil {
			return err
		}
		if u == nil || !bytes.Equal(waitingKey(u.Place), place) {
			stale = append(stale, bytes.Clone(place))
		}
	}
	for _, place := range stale {
		t.Delete(engine.Meta, place)
	}
	return nil
}
