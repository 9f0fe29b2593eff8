package pop3

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"postroom/services/contract"
	"postroom/services/wire"
)

const (
	// loginWait bounds the store's answer to a login: it may have to be tried at the provider.
	loginWait = 60 * time.Second
	// openWait bounds the reading of a mailbox.
	openWait = 30 * time.Second
	// uniformWait is when a client outside the enrolment networks is refused, counted from its PASS. By
	// neither words nor time can it tell a name that is known from another.
	uniformWait = 5 * time.Second
)

// login is one attempt, by USER and PASS or by AUTH.
type login struct {
	name     string // compound, as typed
	password wire.Secret
	came     time.Time // the PASS, or the last of AUTH
}

// logIn opens the mailbox of an accepted login, under its lock; or gives a *refusal.
func (s *session) logIn(ctx context.Context, l login) error {
	account, err := s.verify(ctx, l)
	if err != nil {
		return err
	}
	s.hold(ctx, l.name, account) // without the lock: another session may come and go meanwhile
	session := rand.Uint64()
	release, err := s.server.locks.take(ctx, string(account), session)
	if err != nil {
		return inUse(err)
	}
	s.mailbox = &mailbox{account: account, session: session, release: release} // from now on released whatever happens
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	if err := s.mailbox.load(ctx, s.server); err != nil {
		s.closeMailbox()
		if errors.Is(err, contract.ErrConflict) { // the process has it whose place this one takes
			return inUse(err)
		}
		return storeRefusal(fmt.Errorf("open the mailbox: %w", err))
	}
	s.state = transaction
	return nil
}

// inUse is for a login that was good (RFC 2449 §8.1.1), to a mailbox that is open.
func inUse(cause error) *refusal {
	return &refusal{code: codeInUse, text: "another session has this mailbox, try again later", cause: cause}
}

// verify asks the store whether the login is good, and gives the account's id; or a *refusal, told later for each
// login before that failed.
//
// A client that is to learn nothing is refused at uniformWait even while the store still tries the login at
// the provider. That goes on: what comes of it counts for the next login.
func (s *session) verify(ctx context.Context, l login) ([]byte, error) {
	in := s.server.settings.Load()
	limit, uniform := in.POP3.FailedLoginsPerMinute, !in.MayEnrol(s.client)
	wait, late := loginWait, context.DeadlineExceeded
	if uniform {
		wait, late = uniformWait, errLate
	}
	waiting, cancel := context.WithDeadlineCause(ctx, l.came.Add(wait), late)
	defer cancel()
	a, allowed := s.server.failures.begin(waiting, s.from, l.name, limit)
	if !allowed {
		if uniform {
			return nil, uniformRefusal(ctx, l, errTooOften)
		}
		waitUntil(ctx, l.came.Add(a.delay(limit)))
		return nil, errTooOften
	}
	v := s.try(ctx, waiting, l, a, limit)
	switch {
	case v.accepted():
		return v.answer.Account, nil
	case uniform || v.answer.GetUniform():
		return nil, uniformRefusal(ctx, l, v.refusal().cause)
	case v.err == nil:
		waitUntil(ctx, l.came.Add(a.delay(limit)))
	}
	return nil, v.refusal()
}

// errLate is that no answer came before a client that is to learn nothing has to be refused. It counts as a failure.
var errLate = errors.New("no answer in time")

// verdict is what came of asking the store.
type verdict struct {
	answer *contract.LoginResponse // nil with err
	err    error
}

// try asks the store whether a login is good, and counts what comes of it.
func (s *session) try(ctx, waiting context.Context, l login, a attempt, limit int) verdict {
	defer s.server.failures.end(a)
	v := s.askStore(ctx, waiting, l)
	switch {
	case v.accepted():
		s.server.failures.accepted(a, time.Now())
	case v.err == nil, errors.Is(v.err, errLate):
		s.server.failures.failed(a, limit, time.Now())
	}
	return v
}

// askStore asks whether a login is good, and waits for the answer until the end of waiting; the question goes on.
func (s *session) askStore(ctx, waiting context.Context, l login) verdict {
	answered := make(chan verdict, 1) // nobody may be waiting any more
	s.server.background(ctx, loginWait, func(ctx context.Context) {
		answer, err := s.server.store.Login(ctx, &contract.LoginRequest{
			Name:     l.name,
			Password: l.password.Reveal(),
			Address:  s.client.String(),
		})
		answered <- verdict{answer, err}
	})
	select {
	case v := <-answered:
		return v
	case <-waiting.Done():
		return verdict{err: context.Cause(waiting)}
	}
}

func (v verdict) accepted() bool {
	return v.err == nil && v.answer.Outcome == contract.LoginResponse_ACCEPTED && len(v.answer.Account) > 0
}

// refusal is what a client is told that may know why. All that isn't a refusal by the store is temporary.
func (v verdict) refusal() *refusal {
	if v.err != nil {
		return storeRefusal(fmt.Errorf("ask the store: %w", v.err))
	}
	text, cause := v.answer.Text, errors.New(v.answer.Text)
	switch v.answer.Outcome {
	case contract.LoginResponse_REFUSED:
		return &refusal{code: codeAuth, text: text, cause: cause}
	case contract.LoginResponse_TEMPORARY:
		return &refusal{code: codeTemp, text: text, cause: cause}
	}
	return storeRefusal(fmt.Errorf("the store answered a login with outcome %v", v.answer.Outcome))
}

// uniformRefusal gives the one refusal for clients outside the enrolment networks, when its time has come.
func uniformRefusal(ctx context.Context, l login, cause error) error {
	waitUntil(ctx, l.came.Add(uniformWait))
	return &refusal{code: codeAuth, text: "login refused", cause: cause}
}

func waitUntil(ctx context.Context, at time.Time) {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}
