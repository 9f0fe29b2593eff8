package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"golang.org/x/net/idna"
	"google.golang.org/protobuf/proto"
)

// ListAddresses gives the addresses behind one, as many as fit into an answer.
func (a admin) ListAddresses(_ context.Context, q *contract.ListAddressesRequest) (*contract.ListAddressesResponse, error) {
	answer := &contract.ListAddressesResponse{}
	var after []byte
	if q.After != "" {
		after = addressKey(q.After)
	}
	users := make(owners)
	err := a.db.View(func(r *engine.Reader) error {
		room := statusPerCall
		for key, value := range r.Scan(engine.Addresses, nil, after) {
			if room <= 0 {
				answer.More = true
				return nil
			}
			row, err := parseAddressRow(key, value)
			if err != nil {
				return err
			}
			u, err := users.of(r, row.User)
			if err != nil {
				return err
			}
			if u == nil || u.texts[string(key)] == "" {
				continue // `store check` tells
			}
			info := addressInfo(u.User, row, u.texts[string(key)])
			answer.Addresses = append(answer.Addresses, info)
			room -= proto.Size(info)
		}
		return nil
	})
	return answer, err
}

// AssignAddress gives a user an address that is nobody's, or puts one that it has in front.
func (a admin) AssignAddress(ctx context.Context, q *contract.AssignAddressRequest) (*contract.UserResponse, error) {
	address, err := parseAddress(q.Address)
	if err != nil {
		return nil, err
	}
	return a.changeUser(ctx, q.User, "address assigned", func(t *engine.Txn, u *rows.User) error {
		if text, found := addressText(u, addressKey(address.String())); found {
			if q.First {
				placeAddress(u, text, true)
				saveUser(t, u)
			}
			return nil
		}
		if err := mustBeNobodys(&t.Reader, address.String()); err != nil {
			return err
		}
		if err := mustNotBeAnothersLogin(&t.Reader, address, u); err != nil {
			return err
		}
		if len(u.Addresses) >= maxUserAddresses {
			return fmt.Errorf("%w: user %q has %d addresses, and can have no more", contract.ErrConflict, u.Name, len(u.Addresses))
		}
		addAddress(t, u, address.String(), q.First)
		saveUser(t, u)
		return a.releaseWaiting(t)
	})
}

// RemoveAddress takes an address off its user.
func (a admin) RemoveAddress(ctx context.Context, q *contract.AddressRequest) (*contract.UserResponse, error) {
	address, err := parseAddress(q.Address)
	if err != nil {
		return nil, err
	}
	key := []byte(address.Key())
	err = a.db.Update(ctx, func(t *engine.Txn) error {
		row, err := loadAddress(&t.Reader, key)
		if err != nil {
			return err
		}
		if row == nil {
			return fmt.Errorf("%w: address %q is nobody's; `postroom address list` shows those that are assigned", contract.ErrNotFound, address)
		}
		u, err := loadUser(&t.Reader, []byte(row.User))
		if err != nil {
			return err
		}
		t.Delete(engine.Addresses, key)
		if u == nil {
			return nil
		}
		if bytes.Equal(addressKey(u.OwnAddress), key) {
			return fmt.Errorf("%w: %s is the address that user %q was made with, and goes with the user", contract.ErrConflict, address, u.Name)
		}
		dropAddress(u, address.String())
		saveUser(t, u)
		t.After(func() { a.log.Info("address removed", "address", address.String(), "user", u.Name) })
		return a.releaseWaiting(t) // it may be an account's login
	})
	return &contract.UserResponse{}, err
}

// parseAddress reads the address of a command.
func parseAddress(text string) (mail.Address, error) {
	address, err := mail.ParseAddress(text)
	if err != nil {
		return mail.Address{}, fmt.Errorf("%w: address %q: %w", contract.ErrInvalid, text, err)
	}
	return address, nil
}

// mustBeNobodys says whose an address is that is somebody's.
func mustBeNobodys(r *engine.Reader, address string) error {
	row, err := loadAddress(r, addressKey(address))
	if err != nil || row == nil {
		return err
	}
	u, err := loadUser(r, []byte(row.User))
	if err != nil {
		return err
	}
	name := row.User
	if u != nil {
		name = u.Name
	}
	advice := "`postroom address remove` takes it off that user first"
	if bytes.Equal(addressKey(u.GetOwnAddress()), addressKey(address)) {
		advice = "it's the one that this user was made with, and stays with it"
	}
	return fmt.Errorf("%w: %s is an address of user %q: %s", contract.ErrConflict, address, name, advice)
}

// mustNotBeAnothersLogin keeps an address from a user where it's the login of an account, and that account is another user's: one
// person would get what is meant for another.
func mustNotBeAnothersLogin(r *engine.Reader, address mail.Address, u *rows.User) error {
	list, err := accountsByLogin(r, address)
	if err != nil {
		return err
	}
	for _, a := range list {
		if bytes.Equal(userKey(a.User), userKey(u.Name)) {
			return nil
		}
	}
	for _, a := range list {
		return fmt.Errorf("%w: %s is the login of account %s, which is of user %q: assign the address to that user, or give the account to user %q first by `postroom user move`",
			contract.ErrConflict, address, nameOf(a.Account), a.User, u.Name)
	}
	return nil
}

// accountsByLogin gives the accounts whose login is an address, at whatever provider.
func accountsByLogin(r *engine.Reader, address mail.Address) (list []*account, err error) {
	domains := []string{address.Domain}
	if shown, err := idna.Lookup.ToUnicode(address.Domain); err == nil && shown != address.Domain {
		domains = append(domains, shown)
	}
	for _, domain := range domains {
		prefix := foldedKey(mail.Name{Login: address.Local + "@" + domain})
		for _, value := range r.Scan(engine.AccountNames, prefix, nil) {
			a, err := accountIfAny(r, value)
			if err != nil {
				return nil, err
			}
			if a != nil && isLogin(a, address) {
				list = append(list, a)
			}
		}
	}
	return list, nil
}

// isLogin tells whether an account's login is an address.
func isLogin(a *account, address mail.Address) bool {
	at := strings.LastIndexByte(a.Login, '@')
	if at < 0 {
		return false
	}
	login, err := mail.ParseAddress(mail.Address{Local: a.Login[:at], Domain: a.Login[at+1:]}.String())
	return err == nil && login.Key() == address.Key()
}
