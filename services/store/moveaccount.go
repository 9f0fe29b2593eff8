package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// MoveAccount gives an account to another user, or puts it in front of its user's others. The address that is the account's login goes
// with it. A user that was made for its accounts goes with the last of them, and all of its addresses go with the account.
func (a admin) MoveAccount(ctx context.Context, q *contract.MoveAccountRequest) (*contract.UserResponse, error) {
	err := a.db.Update(ctx, func(t *engine.Txn) error {
		acc, err := accountByName(&t.Reader, q.Account)
		if err != nil {
			return err
		}
		to, err := userByName(&t.Reader, q.User)
		if err != nil {
			return err
		}
		t.After(func() { a.log.Info("account moved", "account", nameOf(acc.Account).String(), "user", to.Name) })
		from, err := loadUser(&t.Reader, userKey(acc.User))
		if err != nil {
			return err
		}
		if from == nil || !bytes.Equal(userKey(from.Name), userKey(to.Name)) {
			return a.moveAccount(t, acc, from, to, q.First)
		}
		if q.First {
			return a.joinUser(t, to, acc, true)
		}
		return nil
	})
	return &contract.UserResponse{}, err
}

// moveAccount gives an account of one user (nil: of none) to another.
func (s *Store) moveAccount(t *engine.Txn, acc *account, from, to *rows.User, first bool) error {
	if len(to.Accounts) >= maxUserAccounts {
		return fmt.Errorf("%w: user %q has %d accounts, and can have no more", contract.ErrConflict, to.Name, len(to.Accounts))
	}
	if from != nil {
		if err := s.partWith(t, acc, from, to); err != nil {
			return err
		}
	}
	if err := s.joinUser(t, to, acc, first); err != nil {
		return err
	}
	if from != nil && len(from.Accounts) == 0 && !from.Local {
		return s.forgetUser(t, from) // behind the other: a licence that gets free may be for that one
	}
	return nil
}

// partWith takes an account, and the addresses that go with it, from a user.
func (s *Store) partWith(t *engine.Txn, acc *account, from, to *rows.User) error {
	takeFromUser(from, acc.id)
	going := from.Addresses
	if len(from.Accounts) > 0 || from.Local {
		var err error
		if going, err = loginAddresses(&t.Reader, acc, from); err != nil {
			return err
		}
	}
	if len(to.Addresses)+len(going) > maxUserAddresses {
		return fmt.Errorf("%w: user %q would have %d addresses, and can have %d", contract.ErrConflict, to.Name, len(to.Addresses)+len(going), maxUserAddresses)
	}
	for _, address := range slices.Clone(going) {
		if err := passAddress(t, from, to, address); err != nil {
			return err
		}
	}
	saveUser(t, from)
	return nil
}

// loginAddresses gives those of a user's addresses that are the login of an account which the user no longer has, and of none
// that it has still.
func loginAddresses(r *engine.Reader, acc *account, from *rows.User) (list []string, err error) {
	for _, text := range from.Addresses {
		address, err := mail.ParseAddress(text)
		if err != nil || !isLogin(acc, address) {
			continue
		}
		same, err := accountsByLogin(r, address)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(same, func(a *account) bool { return hasAccount(from, a.id) }) {
			list = append(list, text)
		}
	}
	return list, nil
}

func hasAccount(u *rows.User, id accountID) bool {
	return slices.ContainsFunc(u.Accounts, func(other []byte) bool { return bytes.Equal(other, id[:]) })
}
