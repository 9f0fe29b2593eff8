package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// Bounds of one user: its row has them all, and is one answer's with them.
const (
	maxUserAccounts  = 1000
	maxUserAddresses = 1000
)

// userKey is the key of a user's name, which is one whatever the case of its letters.
func userKey(name string) []byte { return []byte(strings.ToLower(name)) }

// loadUser gives a user by its key, nil for none.
func loadUser(r *engine.Reader, key []byte) (*rows.User, error) {
	u := &rows.User{}
	if found, err := r.Load(engine.Users, key, u); err != nil || !found {
		return nil, err
	}
	return u, nil
}

// userByName gives the user of a command.
func userByName(r *engine.Reader, name string) (*rows.User, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: a user's name is missing", contract.ErrInvalid)
	}
	u, err := loadUser(r, userKey(name))
	if err == nil && u == nil {
		err = fmt.Errorf("%w: no user %q; `postroom user list` shows those that there are", contract.ErrNotFound, name)
	}
	return u, err
}

func saveUser(t *engine.Txn, u *rows.User) { t.Save(engine.Users, userKey(u.Name), u) }

// newUser makes the user of a new account: an account never joins an existing user by its name.
func (s *Store) newUser(t *engine.Txn, n mail.Name, id accountID) (string, error) {
	for name := range n.UserNames() {
		address := ownAddress(name, s.settings.Load().Users.PseudoDomain)
		if t.Get(engine.Users, userKey(name)) != nil || t.Get(engine.Addresses, addressKey(address)) != nil {
			continue
		}
		return name, s.makeUser(t, &rows.User{Name: name, Accounts: [][]byte{id[:]}}, address)
	}
	panic("mail.Name.UserNames ended")
}

// makeUser makes a user with its first address. A licence is assigned while any is free; else it waits for one.
func (s *Store) makeUser(t *engine.Txn, u *rows.User, address string) error {
	u.Created = t.Now().UnixNano()
	u.OwnAddress = address
	addAddress(t, u, address, false)
	licensed, err := s.takeLicence(t)
	if err != nil {
		return err
	}
	if u.Licensed = licensed; !licensed {
		await(t, u, t.Now().UnixNano())
	}
	saveUser(t, u)
	return nil
}

// forgetUser removes a user and its addresses; its licence goes to who waits.
func (s *Store) forgetUser(t *engine.Txn, u *rows.User) error {
	for _, address := range u.Addresses {
		t.Delete(engine.Addresses, addressKey(address))
	}
	giveUpWaiting(t, u)
	had := u.Licensed
	t.Delete(engine.Users, userKey(u.Name))
	if !had {
		return nil
	}
	return s.freeLicence(t)
}

// joinUser gives an account to a user.
func (s *Store) joinUser(t *engine.Txn, u *rows.User, a *account, first bool) error {
	takeFromUser(u, a.id)
	at := len(u.Accounts)
	if first {
		at = 0
	}
	u.Accounts = slices.Insert(u.Accounts, at, a.id[:])
	a.User = u.Name
	saveUser(t, u)
	s.saveAccount(t, a)
	return s.releaseWaiting(t)
}

func takeFromUser(u *rows.User, id accountID) {
	u.Accounts = slices.DeleteFunc(u.Accounts, func(other []byte) bool { return bytes.Equal(other, id[:]) })
}

// leaveUser takes an account from its user. One that was made for its accounts goes with the last of them.
func (s *Store) leaveUser(t *engine.Txn, a *account) error {
	u, err := loadUser(&t.Reader, userKey(a.User))
	if err != nil || u == nil {
		return err
	}
	takeFromUser(u, a.id)
	if len(u.Accounts) > 0 || u.Local {
		saveUser(t, u)
		return nil
	}
	return s.forgetUser(t, u)
}
