package store

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/netip"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
)

// pop3 serves the pop3 service.
type pop3 struct{ *Store }

// Login answers a client's login. A known account's is answered from what is kept, at once; anything else is
// tried at the provider first. Nothing is stored of a login that the provider did not accept.
func (p pop3) Login(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
	address, err := netip.ParseAddr(q.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: client address %q", contract.ErrInvalid, q.Address)
	}
	mayEnrol := p.settings.Load().MayEnrol(address)
	newcomer := ""
	if !mayEnrol {
		newcomer = "this account is not known here, and your network may not bring a new one (setting enrol.networks)"
	}
	answer, err := p.login(ctx, q.Name, q.Password, newcomer)
	if err != nil {
		return nil, err
	}
	if answer.Outcome == contract.LoginResponse_ACCEPTED {
		p.noteClient(context.WithoutCancel(ctx), answer.Account, address)
	}
	answer.Uniform = !mayEnrol
	return answer, nil
}

// Login answers a login over SMTP as one over POP3, except that it makes no account.
func (p smtp) Login(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
	address, err := netip.ParseAddr(q.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: client address %q", contract.ErrInvalid, q.Address)
	}
	answer, err := p.login(ctx, q.Name, q.Password, "this account is not known here: it has to collect its mail here by POP3 before it sends any")
	if err != nil {
		return nil, err
	}
	answer.Uniform = !p.settings.Load().MayEnrol(address)
	return answer, nil
}

// login decides. newcomer says why an account that isn't known is refused; empty: it isn't.
func (s *Store) login(ctx context.Context, typed, password, newcomer string) (*contract.LoginResponse, error) {
	name, err := mail.ParseName(typed)
	if err != nil {
		return refuse(err.Error()), nil
	}
	if password == "" {
		return refuse("the password is empty"), nil
	}
	var known *account
	err = s.db.View(func(r *engine.Reader) (err error) {
		known, err = findAccount(r, identityKey(name))
		return err
	})
	if err != nil {
		return nil, err
	}
	switch {
	case known == nil && newcomer != "":
		return refuse(newcomer), nil
	case known != nil && !known.Refused && hmac.Equal(known.PasswordMac, s.secrets.check(password, known.id[:])):
		return s.acceptKnown(ctx, known, password)
	}
	if known != nil {
		name = nameOf(known.Account) // the endpoint that it was enrolled with
	}
	return s.tryLogin(ctx, name, known != nil, password, newcomer)
}

// acceptKnown lets a login in whose password is the kept one. Login data that can't be decrypted any more (the
// machine key changed, yet the check fits: damage) is replaced.
func (s *Store) acceptKnown(ctx context.Context, a *account, password string) (*contract.LoginResponse, error) {
	if _, err := s.secrets.open(a.SealedPassword, a.id[:]); err != nil {
		if err := s.replacePassword(ctx, a.id, password); err != nil {
			return nil, err
		}
	}
	return accept(a.id), nil
}

// tryLogin tries a login at its provider, within limits, and keeps it when it was accepted.
func (s *Store) tryLogin(ctx context.Context, name mail.Name, known bool, password, newcomer string) (*contract.LoginResponse, error) {
	key := name.Key()
	check := s.secrets.check(password, []byte(key))
	allowed, refused, text := s.tries.begin(key, check, s.now())
	if refused {
		return refuse(text), nil
	}
	if !allowed {
		return temporary(fmt.Sprintf("%d logins of this account were tried at its provider within an hour: try again later", triesPerHour)), nil
	}
	v := s.verifyLogin(ctx, name, known, password)
	accepted := v.outcome == contract.Verified_VERIFIED_ACCEPTED
	s.tries.end(key, check, accepted, v.outcome == contract.Verified_VERIFIED_REFUSED, v.text, s.now())
	switch {
	case accepted:
		return s.keepLogin(context.WithoutCancel(ctx), name, password, newcomer)
	case v.outcome == contract.Verified_VERIFIED_UNKNOWN:
		return temporary(v.text), nil
	default:
		return refuse(v.text), nil
	}
}

var (
	errOtherCase = errors.New("known under another name")
	errNewcomer  = errors.New("removed meanwhile")
)

// keepLogin stores a login that its provider has just accepted: a new account, or a known one's new password.
func (s *Store) keepLogin(ctx context.Context, name mail.Name, password, newcomer string) (*contract.LoginResponse, error) {
	var id accountID
	other := ""
	enrolled := false
	err := s.db.Update(ctx, func(t *engine.Txn) error {
		known, err := findAccount(&t.Reader, identityKey(name))
		if err != nil {
			return err
		}
		if known != nil {
			id = known.id
			if !hmac.Equal(known.PasswordMac, s.secrets.check(password, id[:])) {
				s.acceptRelayLogin(t, known)
			}
			s.setPassword(known, password)
			s.clearCondition(t, contract.ConditionLoginRefused, name.String())
			s.clearCondition(t, contract.ConditionLoginData, name.String())
			s.saveAccount(t, known)
			return nil
		}
		folded, err := findAccount(&t.Reader, foldedKey(name))
		if err != nil {
			return err
		}
		if folded != nil {
			other = nameOf(folded.Account).String()
			return errOtherCase
		}
		if newcomer != "" {
			return errNewcomer
		}
		enrolled = true
		a, err := s.enrol(t, name, password)
		if err != nil {
			return err
		}
		id = a.id
		return s.releaseWaiting(t) // its user has an address now
	})
	if errors.Is(err, errOtherCase) {
		return refuse(fmt.Sprintf("this account is known here as %s: log in by that name", other)), nil
	}
	if errors.Is(err, errNewcomer) {
		return refuse(newcomer), nil
	}
	if err != nil {
		return nil, err
	}
	if enrolled {
		s.log.Info("account enrolled", "account", name.String())
	} else {
		s.log.Info("login data replaced", "account", name.String())
	}
	return accept(id), nil
}

func (s *Store) replacePassword(ctx context.Context, id accountID, password string) error {
	return s.db.Update(ctx, func(t *engine.Txn) error {
		a, err := loadAccount(&t.Reader, id)
		if err != nil {
			return err
		}
		s.setPassword(a, password)
		s.clearCondition(t, contract.ConditionLoginData, nameOf(a.Account).String())
		s.saveAccount(t, a)
		return nil
	})
}

func accept(id accountID) *contract.LoginResponse {
	return &contract.LoginResponse{Outcome: contract.LoginResponse_ACCEPTED, Account: id[:]}
}

func refuse(text string) *contract.LoginResponse {
	return &contract.LoginResponse{Outcome: contract.LoginResponse_REFUSED, Text: text}
}

func temporary(text string) *contract.LoginResponse {
	return &contract.LoginResponse{Outcome: contract.LoginResponse_TEMPORARY, Text: text}
}
