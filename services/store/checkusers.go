package store

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// maxProblems bounds what one check of all users tells.
const maxProblems = 1000

// userChecker compares users, accounts, addresses and licences with each other, all as one commit left them.
type userChecker struct {
	*engine.Reader
	problems []string
	licensed int
}

func (c *userChecker) say(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

func (a admin) checkUsers([]byte) (*contract.CheckResponse, error) {
	answer := &contract.CheckResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		c := &userChecker{Reader: r}
		for _, check := range []func() error{c.users, c.addresses, c.accounts, c.waiting, c.count} {
			if err := check(); err != nil {
				return err
			}
		}
		answer.Problems = c.problems
		return nil
	})
	return answer, err
}

func (c *userChecker) users() error {
	for key := range c.Scan(engine.Users, nil, nil) {
		u, err := loadUser(c.Reader, key)
		if err != nil {
			return err
		}
		if !bytes.Equal(userKey(u.Name), key) {
			c.say("user %q: its row is that of %q", u.Name, key)
		}
		if len(u.Accounts) == 0 && !u.Local {
			c.say("user %q: was made for an account, and has none", u.Name)
		}
		if err := c.itsAccounts(u); err != nil {
			return err
		}
		if err := c.itsAddresses(u); err != nil {
			return err
		}
		if u.Licensed {
			c.licensed++
		}
		if waits := u.Place != 0; waits == (u.Licensed || u.Withdrawn) {
			c.say("user %q: licensed %v, withdrawn %v, waiting %v", u.Name, u.Licensed, u.Withdrawn, waits)
		}
		if u.Place != 0 && !bytes.Equal(c.Get(engine.Meta, waitingKey(u.Place)), key) {
			c.say("user %q: waits for a licence, and stands in no line", u.Name)
		}
	}
	return nil
}

func (c *userChecker) itsAccounts(u *rows.User) error {
	for _, id := range u.Accounts {
		var a rows.Account
		found, err := c.Load(engine.Accounts, id, &a)
		if err != nil {
			return err
		}
		if !found || !bytes.Equal(userKey(a.User), userKey(u.Name)) {
			c.say("user %q: account %x is of user %q", u.Name, id, a.User)
		}
	}
	return nil
}

func (c *userChecker) itsAddresses(u *rows.User) error {
	for _, text := range u.Addresses {
		row, err := loadAddress(c.Reader, addressKey(text))
		if err != nil {
			return err
		}
		if row == nil || row.User != string(userKey(u.Name)) {
			c.say("user %q: address %q is of user %q", u.Name, text, row.GetUser())
		}
	}
	if _, found := addressText(u, addressKey(u.OwnAddress)); !found && u.OwnAddress != "" {
		c.say("user %q: its own address %q is missing", u.Name, u.OwnAddress)
	}
	return nil
}

func (c *userChecker) addresses() error {
	users := make(owners)
	for key, value := range c.Scan(engine.Addresses, nil, nil) {
		row, err := parseAddressRow(key, value)
		if err != nil {
			return err
		}
		u, err := users.of(c.Reader, row.User)
		if err != nil {
			return err
		}
		if u == nil || u.texts[string(key)] == "" {
			c.say("address %q: is of user %q, who doesn't have it", key, row.User)
		}
	}
	return nil
}

func (c *userChecker) accounts() error {
	for key := range c.Scan(engine.Accounts, nil, nil) {
		a, err := loadAccount(c.Reader, accountID(key))
		if err != nil {
			return err
		}
		u, err := loadUser(c.Reader, userKey(a.User))
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(u.GetAccounts(), func(id []byte) bool { return bytes.Equal(id, key) }) {
			c.say("account %s: is of user %q, who doesn't have it", nameOf(a.Account), a.User)
		}
		if name := nameOf(a.Account); !bytes.Equal(c.Get(engine.AccountNames, identityKey(name)), key) || !bytes.Equal(c.Get(engine.AccountNames, foldedKey(name)), key) {
			c.say("account %s: isn't found by its name", name)
		}
	}
	return nil
}

func (c *userChecker) waiting() error {
	for place, key := range c.Scan(engine.Meta, waitingPrefix, nil) {
		u, err := loadUser(c.Reader, key)
		if err != nil {
			return err
		}
		if u == nil || !bytes.Equal(waitingKey(u.Place), place) {
			c.say("user %q: stands in the line for a licence, and doesn't wait", key)
		}
	}
	return nil
}

func (c *userChecker) count() error {
	if text := c.Get(engine.Meta, licensedKey); text != nil && string(text) != strconv.Itoa(c.licensed) {
		c.say("licences: %s are counted, %d users have one", text, c.licensed)
	}
	return nil
}
