package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// sender is what is known of an envelope's sender, and of the client that gives it.
type sender struct {
	account *account // whose login, or whose user's address, the sender is; nil: nobody's
	user    string   // whose address or login it is; empty: nobody's
	owner   bool     // the client is known to be the account's owner
	own     bool     // the client is known to be that user

	loggedIn *account // that the client logged in as; nil: none
}

func (p smtp) LookUpSender(_ context.Context, q *contract.LookUpSenderRequest) (*contract.LookUpSenderResponse, error) {
	if _, err := netip.ParseAddr(q.Client); err != nil {
		return nil, fmt.Errorf("%w: client address %q", contract.ErrInvalid, q.Client)
	}
	answer := &contract.LookUpSenderResponse{}
	err := p.db.View(func(r *engine.Reader) error {
		by, err := p.lookUpSender(r, q.Address, q.Client, q.Account)
		if err != nil {
			return err
		}
		answer.User, answer.Owner, answer.Own = by.user, by.owner, by.own
		if by.account != nil {
			answer.Account, answer.Host = by.account.id[:], by.account.Host
		}
		return nil
	})
	return answer, err
}

// senderOf decides whose a mail is. The box's own is of the account that it names.
func (s *Store) senderOf(r *engine.Reader, m *contract.SubmitMail) (sender, error) {
	if m.Client != "" {
		return s.lookUpSender(r, m.Sender, m.Client, m.Account)
	}
	a, err := accountIfAny(r, m.Account)
	return sender{account: a, owner: a != nil}, err
}

// lookUpSender decides whose an address is. Of several accounts that have it as their login, or whose user has it as an
// address, it takes the one that the client logged in as; else those with the login, one that the client is known by
// before an older one; else the user's, in the user's order, one that the client is known by before the first.
func (s *Store) lookUpSender(r *engine.Reader, address, client string, loggedIn []byte) (sender, error) {
	var by sender
	var err error
	if by.loggedIn, err = accountIfAny(r, loggedIn); err != nil {
		return by, err
	}
	byLogin, err := accountsOfLogin(r, address)
	if err != nil {
		return by, err
	}
	candidates := byLogin
	user, ofUser, err := userOfAddress(r, address)
	if err != nil {
		return by, err
	}
	if len(candidates) == 0 {
		candidates = ofUser
	}
	k := knowledge{r, s.now(), client, by.loggedIn}
	if by.loggedIn != nil {
		for _, a := range slices.Concat(byLogin, ofUser) {
			if a.id == by.loggedIn.id {
				candidates = []*account{a}
				break
			}
		}
	}
	for _, a := range candidates {
		if k.knows(a) {
			by.account, by.owner = a, true
			break
		}
	}
	if by.account == nil && len(candidates) > 0 {
		by.account = candidates[0]
	}
	by.user = user
	if user == "" && by.account != nil {
		by.user = by.account.User
	}
	if by.own = by.owner; !by.own && by.user != "" {
		by.own, err = k.knowsUser(by.user)
	}
	return by, err
}

// knowledge is what there is to know a client by.
type knowledge struct {
	r        *engine.Reader
	now      time.Time
	client   string
	loggedIn *account
}

// knows tells whether a client is an account's owner: it logged in as that account, or as another one of its user; or
// its address did so over POP3, lately.
func (k knowledge) knows(a *account) bool {
	if k.loggedIn != nil && isSameUser(k.loggedIn.User, a.User) {
		return true
	}
	address, err := netip.ParseAddr(k.client)
	return err == nil && polledLately(k.r.Get(engine.Clients, clientKey(a.id, address)), k.now)
}

func (k knowledge) knowsUser(name string) (bool, error) {
	if k.loggedIn != nil && isSameUser(k.loggedIn.User, name) {
		return true, nil
	}
	u, err := loadUser(k.r, userKey(name))
	if err != nil {
		return false, err
	}
	accounts, err := accountsOf(k.r, u)
	return slices.ContainsFunc(accounts, k.knows), err
}

// accountIfAny gives the account with an id, nil where there is none (any more).
func accountIfAny(r *engine.Reader, id []byte) (*account, error) {
	if len(id) == 0 || r.Get(engine.Accounts, id) == nil {
		return nil, nil
	}
	return loadAccount(r, accountID(id))
}

// accountsOfLogin gives the accounts whose login is an address, the oldest first. What is no address is nobody's.
func accountsOfLogin(r *engine.Reader, text string) ([]*account, error) {
	address, err := mail.ParseAddress(text)
	if err != nil {
		return nil, nil
	}
	list, err := accountsByLogin(r, address)
	slices.SortFunc(list, func(a, b *account) int { return cmp.Compare(a.Created, b.Created) })
	return list, err
}

// userOfAddress gives the user that an address is assigned to, and the user's accounts; empty: it's nobody's.
func userOfAddress(r *engine.Reader, address string) (name string, accounts []*account, err error) {
	row, err := loadAddress(r, addressKey(address))
	if err != nil || row == nil {
		return "", nil, err
	}
	u, err := loadUser(r, []byte(row.User))
	if err != nil || u == nil {
		return "", nil, err
	}
	accounts, err = accountsOf(r, u)
	return u.Name, accounts, err
}

// accountsOf gives a user's accounts, the first one first.
func accountsOf(r *engine.Reader, u *rows.User) (list []*account, err error) {
	for _, id := range u.GetAccounts() {
		a, err := accountIfAny(r, id)
		if err != nil {
			return nil, err
		}
		if a != nil {
			list = append(list, a)
		}
	}
	return list, nil
}

func isSameUser(a, b string) bool { return bytes.Equal(userKey(a), userKey(b)) }

func (p smtp) LookUpRecipient(_ context.Context, q *contract.LookUpRecipientRequest) (*contract.LookUpRecipientResponse, error) {
	answer := &contract.LookUpRecipientResponse{}
	err := p.db.View(func(r *engine.Reader) error {
		user, a, err := lookUpRecipient(r, q.Address)
		answer.User = user
		if a != nil {
			answer.Account = a.id[:]
		}
		return err
	})
	return answer, err
}

// lookUpRecipient gives whose an address is, and the account that its mail goes to: the one whose login it is, else its
// user's first; nil: there is none yet.
func lookUpRecipient(r *engine.Reader, address string) (user string, to *account, err error) {
	byLogin, err := accountsOfLogin(r, address)
	if err != nil {
		return "", nil, err
	}
	user, accounts, err := userOfAddress(r, address)
	switch {
	case err != nil:
		return "", nil, err
	case user == "" && len(byLogin) > 0:
		return byLogin[0].User, byLogin[0], nil
	}
	for _, a := range byLogin {
		if isSameUser(a.User, user) {
			return user, a, nil
		}
	}
	if len(accounts) > 0 {
		to = accounts[0]
	}
	return user, to, nil
}

const (
	keepClients  = 12 * time.Hour // how long an address is known by its login over POP3
	renewClients = time.Hour      // a login writes the time of the last one anew when it's older
	clockSlip    = 5 * time.Minute
)

func clientKey(id accountID, address netip.Addr) []byte {
	ip := address.As16() // of IPv4 the mapped one
	return append(id[:], ip[:]...)
}

// polledLately says that a row's time is within the last 12 hours. A time to come is none: the clock was wrong.
func polledLately(value []byte, now time.Time) bool {
	if len(value) != 8 {
		return false
	}
	age := now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(value))))
	return age > -clockSlip && age <= keepClients
}

// noteClient keeps that an address logged in to an account over POP3.
func (s *Store) noteClient(ctx context.Context, id []byte, address netip.Addr) {
	key := clientKey(accountID(id), address.WithZone(""))
	now := s.now()
	known := false
	err := s.db.View(func(r *engine.Reader) error {
		value := r.Get(engine.Clients, key)
		known = polledLately(value, now) && now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(value)))) < renewClients
		return nil
	})
	if err == nil && !known {
		err = s.db.Update(ctx, func(t *engine.Txn) error {
			if t.Get(engine.Accounts, id) != nil {
				t.Put(engine.Clients, key, binary.BigEndian.AppendUint64(nil, uint64(now.UnixNano())))
			}
			return nil
		})
	}
	if err != nil { // the login stands
		s.log.Warn("a client's address is not kept: its mail doesn't go by its account's login", "err", err)
	}
}

// forgetSender forgets what is known of an account that goes, for mail that it sent.
func (s *Store) forgetSender(t *engine.Txn, a *account) {
	for _, bucket := range []engine.Bucket{engine.Clients, engine.Correspondents} {
		var keys [][]byte
		for key := range t.Scan(bucket, a.id[:], nil) {
			keys = append(keys, slices.Clone(key))
		}
		for _, key := range keys {
			t.Delete(bucket, key)
		}
	}
	s.clearCondition(t, contract.ConditionRelayLogin, nameOf(a.Account).String())
}
