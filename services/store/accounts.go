package store

import (
	"crypto/rand"
	"fmt"
	"slices"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// AccountNames has a row for each known account by the identity of its compound name, and one by that
// identity with letter case folded.
func identityKey(n mail.Name) []byte { return []byte("=" + n.Key()) }
func foldedKey(n mail.Name) []byte   { return []byte("~" + n.Folded()) }

// nameOf gives an account's compound name.
func nameOf(a *rows.Account) mail.Name {
	return mail.Name{Login: a.Login, Host: a.Host, Port: uint16(a.Port)}
}

// account is an account with its id.
type account struct {
	id accountID
	*rows.Account
}

// findAccount gives the account of a compound name, nil when it isn't known.
func findAccount(r *engine.Reader, key []byte) (*account, error) {
	id := r.Get(engine.AccountNames, key)
	if id == nil {
		return nil, nil
	}
	return loadAccount(r, accountID(id))
}

// loadAccount gives the account with an id; contract.ErrNotFound when there is none.
func loadAccount(r *engine.Reader, id accountID) (*account, error) {
	a := &account{id: id, Account: &rows.Account{}}
	found, err := r.Load(engine.Accounts, id[:], a.Account)
	if err == nil && !found {
		err = fmt.Errorf("%w: account %x", contract.ErrNotFound, id)
	}
	return a, err
}

// accountByName reads the compound name of a command.
func accountByName(r *engine.Reader, name string) (*account, error) {
	n, err := mail.ParseName(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", contract.ErrInvalid, err)
	}
	a, err := findAccount(r, identityKey(n))
	if err == nil && a == nil {
		err = fmt.Errorf("%w: no account %q; `postroom account list` shows those that there are", contract.ErrNotFound, name)
	}
	return a, err
}

// saveAccount keeps an account's row, and tells the fetcher.
func (s *Store) saveAccount(t *engine.Txn, a *account) {
	t.Save(engine.Accounts, a.id[:], a.Account)
	t.After(func() { s.accountChanged(a.id) })
}

// enrol makes an account whose login a provider has accepted, and its user.
func (s *Store) enrol(t *engine.Txn, n mail.Name, password string) (*account, error) {
	a := &account{Account: &rows.Account{Login: n.Login, Host: n.Host, Port: uint32(n.Port), Created: t.Now().UnixNano()}}
	rand.Read(a.id[:])
	s.setPassword(a, password)
	user, err := s.newUser(t, n, a.id)
	if err != nil {
		return nil, err
	}
	a.User = user
	t.Put(engine.AccountNames, identityKey(n), a.id[:])
	t.Put(engine.AccountNames, foldedKey(n), a.id[:])
	s.saveAccount(t, a)
	return a, nil
}

// setPassword keeps what the provider last accepted.
func (s *Store) setPassword(a *account, password string) {
	a.SealedPassword = s.secrets.seal(password, a.id[:])
	a.PasswordMac = s.secrets.check(password, a.id[:])
	a.Refused = false
}

// remove forgets an account, its user where it was the only one, and every row of it. Its bodies are dropped.
func (s *Store) remove(t *engine.Txn, a *account) error {
	for _, q := range queues {
		ids, err := messagesOf(&t.Reader, q.bucket, a.id)
		if err != nil {
			return err
		}
		for _, id := range ids {
			m, err := leave(t, q.bucket, a.id, id)
			if err != nil {
				return err
			}
			t.Drop(m.Body)
		}
	}
	var rowKeys [][]byte
	for key := range t.Scan(engine.Ledger, a.id[:], nil) {
		rowKeys = append(rowKeys, slices.Clone(key))
	}
	for _, key := range rowKeys {
		t.Delete(engine.Ledger, key)
	}
	name := nameOf(a.Account)
	t.Delete(engine.AccountNames, identityKey(name))
	t.Delete(engine.AccountNames, foldedKey(name))
	t.Delete(engine.Accounts, a.id[:])
	s.forgetSender(t, a)
	for _, condition := range []string{contract.ConditionLoginRefused, contract.ConditionLoginData, contract.ConditionProvider, contract.ConditionTooLarge, contract.ConditionIncomplete} {
		s.clearCondition(t, condition, name.String())
	}
	t.After(func() {
		s.fresh.forget(a.id)
		s.accountChanged(a.id)
	})
	return s.leaveUser(t, a)
}

// messagesOf gives the ids of an account's messages in a queue.
func messagesOf(r *engine.Reader, queue engine.Bucket, id accountID) ([]uint64, error) {
	prefix := id[:]
	if queue == engine.In {
		prefix = nil
	}
	var ids []uint64
	for key := range r.Scan(queue, prefix, nil) {
		var m rows.Message
		if _, err := r.Load(queue, key, &m); err != nil {
			return nil, err
		}
		if accountID(m.Account) == id {
			ids = append(ids, idOfKey(key))
		}
	}
	return ids, nil
}
