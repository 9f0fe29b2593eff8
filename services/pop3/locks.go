package pop3

import (
	"context"
	"errors"
	"sync"
	"time"

	"postroom/services/contract"
)

// lockWait is how long a login waits for the session before it to end: clients that poll twice in a row
// often log in again before their last session is quite gone.
const lockWait = time.Second

var errInUse = errors.New("another session has the mailbox")

// locks gives each account to one session at a time (RFC 1939 §4: the exclusive-access lock). That is for one process;
// the store keeps this one and the one whose place it takes apart. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]held // by account
}

type held struct {
	session uint64
	free    chan struct{} // closed when it is free again
}

// take waits at most lockWait for the account. Its holder calls release once.
func (l *locks) take(ctx context.Context, account string, session uint64) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errInUse)
	defer cancel()
	for {
		free := l.try(account, session)
		if free == nil {
			return func() { l.release(account) }, nil
		}
		select {
		case <-free:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try takes the account, or gives the channel that tells when it is free.
func (l *locks) try(account string, session uint64) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, taken := l.held[account]; taken {
		return h.free
	}
	if l.held == nil {
		l.held = make(map[string]held)
	}
	l.held[account] = held{session, make(chan struct{})}
	return nil
}

func (l *locks) release(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.held[account].free)
	delete(l.held, account)
}

// open gives what is held, for the store.
func (l *locks) open() []*contract.OpenMailboxRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*contract.OpenMailboxRequest
	for account, h := range l.held {
		list = append(list, &contract.OpenMailboxRequest{Account: []byte(account), Session: h.session})
	}
	return list
}

// len gives how many accounts are held.
func (l *locks) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}
