package pop3

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"postroom/services/contract"
	"postroom/services/gate"
)

// openWait bounds the reading of a mailbox.
const openWait = 30 * time.Second

// logIn opens the mailbox of an accepted login, under its lock; or gives a *refusal.
func (s *session) logIn(ctx context.Context, l gate.Login) error {
	account, err := s.server.logins.Try(ctx, l, s.server.settings.Load())
	if err != nil {
		return loginRefusal(err)
	}
	s.hold(ctx, l.Name, account) // without the lock: another session may come and go meanwhile
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

// loginRefusal is what a client is told whose login came to nothing.
func loginRefusal(err error) error {
	var r *gate.Refused
	switch {
	case !errors.As(err, &r):
		return err
	case r.NoAnswer:
		return storeRefusal(r.Cause)
	case r.Temporary:
		return &refusal{code: codeTemp, text: r.Text, cause: r.Cause}
	}
	return &refusal{code: codeAuth, text: r.Text, cause: r.Cause}
}

// inUse is for a login that was good (RFC 2449 §8.1.1), to a mailbox that is open.
func inUse(cause error) *refusal {
	return &refusal{code: codeInUse, text: "another session has this mailbox, try again later", cause: cause}
}
