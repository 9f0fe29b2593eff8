package pop3

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lockWait is how long a login waits for the session before it to end: clients that poll twice in a row
// often log in again before their last session is quite gone.
const lockWait = time.Second

var errInUse = errors.New("another session has the mailbox")

// locks gives each account to one session at a time (RFC 1939 §4: the exclusive-access lock). One process
// serves POP3, so it is in memory. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // by account; closed when it is free again
}

// take waits at most lockWait for the account. Its holder calls release once.
func (l *locks) take(ctx context.Context, account string) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errInUse)
	defer cancel()
	for {
		free := l.try(account)
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
func (l *locks) try(account string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if free, taken := l.held[account]; taken {
		return free
	}
	if l.held == nil {
		l.held = make(map[string]chan struct{})
	}
	l.held[account] = make(chan struct{})
	return nil
}

func (l *locks) release(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.held[account])
	delete(l.held, account)
}

// len gives how many accounts are held.
func (l *locks) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}
