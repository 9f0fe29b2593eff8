package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
)

// maxUserName bounds the name of a user that the owner makes, octets: what every server takes as a local part (RFC 5321 §4.5.3.1.1).
const maxUserName = 64

// changeUser changes the user of a command.
func (a admin) changeUser(ctx context.Context, name, what string, change func(t *engine.Txn, u *rows.User) error) (*contract.UserResponse, error) {
	err := a.db.Update(ctx, func(t *engine.Txn) error {
		u, err := userByName(&t.Reader, name)
		if err != nil {
			return err
		}
		t.After(func() { a.log.Info(what, "user", u.Name) })
		return change(t, u)
	})
	return &contract.UserResponse{}, err
}

// AddUser makes a local user. A call that comes again, its answer lost, finds the user that it made.
func (a admin) AddUser(ctx context.Context, q *contract.AddUserRequest) (*contract.UserResponse, error) {
	pseudoDomain := a.settings.Load().Users.PseudoDomain
	if err := checkUserName(q.Name, pseudoDomain); err != nil {
		return nil, err
	}
	if err := checkNewPassword(q.Password); err != nil {
		return nil, err
	}
	hash := a.hashPassword(q.Password)
	var known *rows.User
	err := a.db.Update(ctx, func(t *engine.Txn) (err error) {
		if known, err = loadUser(&t.Reader, userKey(q.Name)); err != nil || known != nil {
			return err
		}
		address := ownAddress(q.Name, pseudoDomain)
		if err := mustBeNobodys(&t.Reader, address); err != nil {
			return err
		}
		t.After(func() { a.log.Info("user added", "user", q.Name) })
		return a.makeUser(t, &rows.User{Name: q.Name, Local: true, PasswordHash: hash}, address)
	})
	if err == nil && known != nil && !(known.Local && known.Name == q.Name && a.isPassword(known.PasswordHash, q.Password)) {
		err = fmt.Errorf("%w: there is a user %q already", contract.ErrConflict, known.Name)
	}
	return &contract.UserResponse{}, err
}

func checkUserName(name, pseudoDomain string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: a user's name is missing", contract.ErrInvalid)
	case len(name) > maxUserName:
		return fmt.Errorf("%w: a user's name has %d octets at most", contract.ErrInvalid, maxUserName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%w: user %q: the name holds a control or invisible character", contract.ErrInvalid, name)
	case strings.Contains(name, "@"):
		return fmt.Errorf("%w: user %q: a user's name has no @; an account's user comes by itself", contract.ErrInvalid, name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%w: user %q: the name begins or ends with a space", contract.ErrInvalid, name)
	}
	if _, err := mail.ParseAddress(ownAddress(name, pseudoDomain)); err != nil {
		return fmt.Errorf("%w: user %q: no address at %s can be made of the name: %w", contract.ErrInvalid, name, pseudoDomain, err)
	}
	return nil
}

func checkNewPassword(password string) error {
	if password == "" || len(password) > maxPassword || !utf8.ValidString(password) {
		return fmt.Errorf("%w: a password has 1 to %d octets of UTF-8", contract.ErrInvalid, maxPassword)
	}
	return nil
}

// SetUserPassword gives a local user another password.
func (a admin) SetUserPassword(ctx context.Context, q *contract.AddUserRequest) (*contract.UserResponse, error) {
	if err := checkNewPassword(q.Password); err != nil {
		return nil, err
	}
	hash := a.hashPassword(q.Password)
	return a.changeUser(ctx, q.Name, "user's password set", func(t *engine.Txn, u *rows.User) error {
		if !u.Local {
			return fmt.Errorf("%w: user %q was made for an account, and has its password: change that at the provider", contract.ErrConflict, u.Name)
		}
		u.PasswordHash = hash
		saveUser(t, u)
		return nil
	})
}

// RemoveUser removes a user without accounts: a local one.
func (a admin) RemoveUser(ctx context.Context, q *contract.UserRequest) (*contract.UserResponse, error) {
	return a.changeUser(ctx, q.Name, "user removed", func(t *engine.Txn, u *rows.User) error {
		if len(u.Accounts) > 0 {
			return fmt.Errorf("%w: user %q has %s; `postroom account remove` removes an account, `postroom user move` gives it to another user",
				contract.ErrConflict, u.Name, counted(len(u.Accounts), "account"))
		}
		if err := a.forgetUser(t, u); err != nil {
			return err
		}
		return a.releaseWaiting(t) // its addresses may be accounts' logins
	})
}

// ListUsers gives the users behind a name, as many as fit into an answer.
func (a admin) ListUsers(_ context.Context, q *contract.ListUsersRequest) (*contract.ListUsersResponse, error) {
	answer := &contract.ListUsersResponse{}
	var after []byte
	if q.After != "" {
		after = userKey(q.After)
	}
	err := a.db.View(func(r *engine.Reader) error {
		room := statusPerCall
		for key := range r.Scan(engine.Users, nil, after) {
			if room <= 0 {
				answer.More = true
				return nil
			}
			u, err := loadUser(r, key)
			if err != nil {
				return err
			}
			info, err := userInfo(r, u)
			if err != nil {
				return err
			}
			answer.Users = append(answer.Users, info)
			room -= proto.Size(info)
		}
		return nil
	})
	return answer, err
}

func (a admin) ShowUser(_ context.Context, q *contract.UserRequest) (*contract.ShowUserResponse, error) {
	answer := &contract.ShowUserResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		u, err := userByName(r, q.Name)
		if err != nil {
			return err
		}
		for _, text := range u.Addresses {
			row, err := loadAddress(r, addressKey(text))
			if err != nil {
				return err
			}
			if row != nil {
				answer.Addresses = append(answer.Addresses, addressInfo(u, row, text))
			}
		}
		answer.User, err = userInfo(r, u)
		return err
	})
	return answer, err
}

// userInfo is what commands are told of a user; never its password.
func userInfo(r *engine.Reader, u *rows.User) (*contract.UserInfo, error) {
	info := &contract.UserInfo{
		Name: u.Name, Addresses: u.Addresses, Licensed: u.Licensed, Waiting: timeOf(u.Waiting), Local: u.Local, Created: timeOf(u.Created),
	}
	for _, id := range u.Accounts {
		acc, err := loadAccount(r, accountID(bytes.Clone(id)))
		if err != nil {
			return nil, err
		}
		info.Accounts = append(info.Accounts, nameOf(acc.Account).String())
	}
	return info, nil
}

// counted is a number of things, in words for a person.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
