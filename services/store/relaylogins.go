package store

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// Limits of kept logins.
const (
	maxLogins    = 1000
	maxLoginName = 100  // octets
	maxLoginText = 1000 // octets of a user or a password
)

// loginSubject is what a kept login's password is sealed for.
func loginSubject(name string) []byte { return []byte("kept login " + name) }

func checkLoginName(name string) error {
	if name == "" || len(name) > maxLoginName || name != strings.TrimSpace(name) || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w: %.120q is no name for a login: 1 to %d octets of text", contract.ErrInvalid, name, maxLoginName)
	}
	if name == settings.LoginNone || name == settings.LoginAccount {
		return fmt.Errorf("%w: a login can't be named %q: that has a meaning of its own in transport_rule.login", contract.ErrInvalid, name)
	}
	return nil
}

// SetLogin keeps login data for a relay. A relay that refused what was there before is asked again.
func (a admin) SetLogin(ctx context.Context, q *contract.SetLoginRequest) (*contract.LoginNameResponse, error) {
	if err := checkLoginName(q.Name); err != nil {
		return nil, err
	}
	for what, text := range map[string]string{"user": q.User, "password": q.Password} {
		if text == "" || len(text) > maxLoginText || strings.ContainsAny(text, "\r\n\x00") {
			return nil, fmt.Errorf("%w: the %s has to be 1 to %d octets in one line", contract.ErrInvalid, what, maxLoginText)
		}
	}
	err := a.db.Update(ctx, func(t *engine.Txn) error {
		if t.Get(engine.Logins, []byte(q.Name)) == nil {
			n := 0
			for range t.Scan(engine.Logins, nil, nil) {
				n++
			}
			if n >= maxLogins {
				return fmt.Errorf("%w: %d logins are kept already", contract.ErrConflict, n)
			}
		}
		t.Save(engine.Logins, []byte(q.Name), &rows.Login{
			User: q.User, SealedPassword: a.secrets.seal(q.Password, loginSubject(q.Name)), Changed: t.Now().UnixNano(),
		})
		a.loginChanged(t, q.Name)
		t.After(func() { a.log.Info("login kept", "login", q.Name) })
		return nil
	})
	return &contract.LoginNameResponse{}, err
}

// loginChanged ends the condition of login data that a relay refused; subject is an account's or a kept login's name.
func (s *Store) loginChanged(t *engine.Txn, subject string) {
	s.clearCondition(t, contract.ConditionRelayLogin, subject)
	t.After(func() { s.look.again(contract.Topic_TOPIC_LOGINS) })
}

func (a admin) RemoveLogin(ctx context.Context, q *contract.LoginNameRequest) (*contract.LoginNameResponse, error) {
	err := a.db.Update(ctx, func(t *engine.Txn) error {
		if t.Get(engine.Logins, []byte(q.Name)) == nil {
			return noLogin(q.Name)
		}
		t.Delete(engine.Logins, []byte(q.Name))
		a.loginChanged(t, q.Name)
		t.After(func() { a.log.Info("login removed", "login", q.Name) })
		return nil
	})
	return &contract.LoginNameResponse{}, err
}

func noLogin(name string) error {
	return fmt.Errorf("%w: no login %.120q; `postroom login list` shows those that there are", contract.ErrNotFound, name)
}

func (a admin) ListLogins(context.Context, *contract.ListLoginsRequest) (*contract.ListLoginsResponse, error) {
	answer := &contract.ListLoginsResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Logins, nil, nil) {
			var l rows.Login
			if _, err := r.Load(engine.Logins, key, &l); err != nil {
				return err
			}
			answer.Logins = append(answer.Logins, &contract.LoginInfo{
				Name: string(key), User: l.User, Refused: l.Refused, Text: l.Text, Changed: timeOf(l.Changed),
			})
		}
		return nil
	})
	return answer, err
}

// GetLogin gives login data for a relay, unless one refused it.
func (p smtp) GetLogin(ctx context.Context, q *contract.GetLoginRequest) (*contract.GetLoginResponse, error) {
	if (q.Mail == 0) == (q.Name == "") {
		return nil, fmt.Errorf("%w: a mail or a name", contract.ErrInvalid)
	}
	answer := &contract.GetLoginResponse{}
	err := p.db.View(func(r *engine.Reader) error {
		data, err := p.loginFor(r, q)
		if err != nil {
			return err
		}
		if answer.User, answer.Refused, answer.Text = data.user, data.refused, data.text; data.refused {
			return nil
		}
		answer.Password, err = p.secrets.open(data.sealed, data.subject)
		if err != nil {
			return fmt.Errorf("%w: login data of %s: %w", contract.ErrDamaged, data.name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// relayLogin is login data of an account, or of a kept login.
type relayLogin struct {
	name, user      string
	sealed, subject []byte
	refused         bool
	text            string
}

func (s *Store) loginFor(r *engine.Reader, q *contract.GetLoginRequest) (*relayLogin, error) {
	if q.Name != "" {
		return keptLogin(r, q.Name)
	}
	m, err := loadQueued(r, q.Mail)
	if err != nil {
		return nil, err
	}
	owner, err := accountIfAny(r, m.Owner)
	if err != nil {
		return nil, err
	}
	if owner == nil {
		return nil, fmt.Errorf("%w: nobody's login data is for mail %d: its client is not known to own the sender's account", contract.ErrForbidden, q.Mail)
	}
	return accountLogin(owner), nil
}

func keptLogin(r *engine.Reader, name string) (*relayLogin, error) {
	var l rows.Login
	found, err := r.Load(engine.Logins, []byte(name), &l)
	if err == nil && !found {
		err = noLogin(name)
	}
	return &relayLogin{name, l.User, l.SealedPassword, loginSubject(name), l.Refused, l.Text}, err
}

func accountLogin(a *account) *relayLogin {
	return &relayLogin{nameOf(a.Account).String(), a.Login, a.SealedPassword, a.id[:], a.RelayRefused, a.RelayText}
}

// RefuseLogin records that a relay definitely refused login data, once: what it was refused with, and not what is kept
// meanwhile.
func (p smtp) RefuseLogin(ctx context.Context, q *contract.RefuseLoginRequest) (*contract.RefuseLoginResponse, error) {
	if (len(q.Account) == 0) == (q.Name == "") || len(q.Account) != 0 && len(q.Account) != len(accountID{}) {
		return nil, fmt.Errorf("%w: an account or a name", contract.ErrInvalid)
	}
	var list []*contract.SubmitMail
	if q.Notice != nil {
		list = append(list, q.Notice)
	}
	notices, err := p.notices(list)
	if err != nil {
		return nil, err
	}
	said := cut(q.Text, maxText)
	text := fmt.Sprintf("%s refuses the login, and mail that needs it waits until the login data changes; it said: %s", cut(q.Relay, maxDestination), said)
	err = p.commitNotices(ctx, notices, func(t *engine.Txn) (enter bool, err error) {
		data, save, err := p.refusable(t, q, said)
		if err != nil || data == nil || data.refused || data.user != q.User {
			return false, err
		}
		password, err := p.secrets.open(data.sealed, data.subject)
		if err != nil || subtle.ConstantTimeCompare([]byte(password), []byte(q.Password)) == 0 {
			return false, nil // another one than was refused
		}
		save()
		t.After(func() { p.look.again(contract.Topic_TOPIC_LOGINS) })
		return true, p.setCondition(t, contract.ConditionRelayLogin, data.name, text)
	})
	return &contract.RefuseLoginResponse{}, err
}

// refusable gives login data, and what keeps that it was refused; nil: it's gone.
func (s *Store) refusable(t *engine.Txn, q *contract.RefuseLoginRequest, said string) (*relayLogin, func(), error) {
	if q.Name == "" {
		a, err := accountIfAny(&t.Reader, q.Account)
		if err != nil || a == nil {
			return nil, nil, err
		}
		return accountLogin(a), func() {
			a.RelayRefused, a.RelayText = true, said
			s.saveAccount(t, a)
		}, nil
	}
	var l rows.Login
	found, err := t.Load(engine.Logins, []byte(q.Name), &l)
	if err != nil || !found {
		return nil, nil, err
	}
	data := &relayLogin{q.Name, l.User, l.SealedPassword, loginSubject(q.Name), l.Refused, l.Text}
	return data, func() {
		l.Refused, l.Text = true, said
		t.Save(engine.Logins, []byte(q.Name), &l)
	}, nil
}

// acceptRelayLogin has relays asked again with an account's login data: it changed, or the owner wants it.
func (s *Store) acceptRelayLogin(t *engine.Txn, a *account) {
	if a.RelayRefused {
		a.RelayRefused, a.RelayText = false, ""
		s.loginChanged(t, nameOf(a.Account).String())
	}
}
