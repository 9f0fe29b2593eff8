package store

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// Meta's rows of licences: how many users have one, and how many there are by the settings in force. To count users at each
// enrolment takes as long as there are users; and a commit that makes settings hold has neighbours that don't see them yet.
var (
	licensedKey = []byte("licensed users")
	licencesKey = []byte("licences")
)

// waitingPrefix begins the keys of Meta's rows of who waits for a licence: behind it a number that grows with each, whatever the
// clock does. The value is the user's key.
var waitingPrefix = []byte("waits for a licence ")

func waitingKey(place uint64) []byte { return append(bytes.Clone(waitingPrefix), idKey(place)...) }

// licensed gives how many users have a licence. A store that has no row for it counts them once.
func licensed(r *engine.Reader) (int, error) {
	if text := r.Get(engine.Meta, licensedKey); text != nil {
		return strconv.Atoi(string(text))
	}
	return countLicensed(r)
}

func countLicensed(r *engine.Reader) (int, error) {
	count := 0
	for key := range r.Scan(engine.Users, nil, nil) {
		u, err := loadUser(r, key)
		if err != nil {
			return 0, err
		}
		if u.Licensed {
			count++
		}
	}
	return count, nil
}

func setLicensed(t *engine.Txn, count int) {
	t.Put(engine.Meta, licensedKey, strconv.AppendInt(nil, int64(count), 10))
}

// licences gives how many there are.
func (s *Store) licences(r *engine.Reader) (int, error) {
	if text := r.Get(engine.Meta, licencesKey); text != nil {
		return strconv.Atoi(string(text))
	}
	return s.settings.Load().Users.Licences, nil
}

// setLicences has a number of licences be in force from this commit on.
func (s *Store) setLicences(t *engine.Txn, licences int) error {
	t.Put(engine.Meta, licencesKey, strconv.AppendInt(nil, int64(licences), 10))
	return s.settleLicences(t)
}

// takeLicence assigns a licence while any is free, and tells whether one was.
func (s *Store) takeLicence(t *engine.Txn) (bool, error) {
	count, err := licensed(&t.Reader)
	if err != nil {
		return false, err
	}
	licences, err := s.licences(&t.Reader)
	if err != nil || count >= licences {
		return false, err
	}
	setLicensed(t, count+1)
	return true, nil
}

// freeLicence takes one back from a user whose row says already that it has none, or is gone.
func (s *Store) freeLicence(t *engine.Txn) error {
	count, err := licensed(&t.Reader)
	if err != nil {
		return err
	}
	if t.Get(engine.Meta, licensedKey) != nil { // else they were counted without it
		count--
	}
	setLicensed(t, count)
	return s.settleLicences(t)
}

// settleLicences gives free licences to those who wait longest, and says so where more are assigned than there are.
func (s *Store) settleLicences(t *engine.Txn) error {
	count, err := licensed(&t.Reader)
	if err != nil {
		return err
	}
	licences, err := s.licences(&t.Reader)
	if err != nil {
		return err
	}
	if count > licences {
		return s.setCondition(t, contract.ConditionLicences, "", fmt.Sprintf(
			"%s, and the setting users.licences gives %d: none is taken away by itself; `postroom licence withdraw` takes one", counted(count, "user")+" with a licence", licences))
	}
	s.clearCondition(t, contract.ConditionLicences, "")
	for count < licences {
		u, err := nextWaiting(t)
		if err != nil {
			return err
		}
		if u == nil {
			break
		}
		giveUpWaiting(t, u)
		u.Licensed = true
		saveUser(t, u)
		count++
		t.After(func() { s.log.Info("licence assigned", "user", u.Name) })
	}
	setLicensed(t, count)
	return nil
}

// nextWaiting gives the user that waits longest, nil when nobody does.
func nextWaiting(t *engine.Txn) (*rows.User, error) {
	for _, key := range t.Scan(engine.Meta, waitingPrefix, nil) {
		u, err := loadUser(&t.Reader, key)
		if err == nil && u == nil {
			err = fmt.Errorf("user %q waits for a licence, and isn't there", key)
		}
		return u, err
	}
	return nil, nil
}

// await puts a user at the end of the line; who calls saves it.
func await(t *engine.Txn, u *rows.User, since int64) {
	u.Waiting, u.Place = since, t.NewID()
	t.Put(engine.Meta, waitingKey(u.Place), userKey(u.Name))
}

// giveUpWaiting takes a user out of the line; who calls saves it.
func giveUpWaiting(t *engine.Txn, u *rows.User) {
	if u.Place != 0 {
		t.Delete(engine.Meta, waitingKey(u.Place))
	}
	u.Waiting, u.Place = 0, 0
}

// SetLicence assigns a licence to a user, which takes one that is free, or withdraws it: then it goes to who waits longest, and
// the user gets none by itself.
func (a admin) SetLicence(ctx context.Context, q *contract.SetLicenceRequest) (*contract.UserResponse, error) {
	what := "licence withdrawn"
	if q.Licensed {
		what = "licence assigned"
	}
	return a.changeUser(ctx, q.User, what, func(t *engine.Txn, u *rows.User) error {
		if q.Licensed {
			return a.assignLicence(t, u)
		}
		return a.withdrawLicence(t, u)
	})
}

func (s *Store) assignLicence(t *engine.Txn, u *rows.User) error {
	if u.Licensed {
		return nil
	}
	free, err := s.takeLicence(t)
	if err != nil {
		return err
	}
	if !free {
		licences, err := s.licences(&t.Reader)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: no licence is free: all %d are assigned (setting users.licences); `postroom licence withdraw` takes one back, and it goes to who waits longest",
			contract.ErrConflict, licences)
	}
	giveUpWaiting(t, u)
	u.Licensed, u.Withdrawn = true, false
	saveUser(t, u)
	return nil
}

func (s *Store) withdrawLicence(t *engine.Txn, u *rows.User) error {
	had := u.Licensed
	giveUpWaiting(t, u)
	u.Licensed, u.Withdrawn = false, true
	saveUser(t, u)
	if !had {
		return nil
	}
	return s.freeLicence(t)
}
