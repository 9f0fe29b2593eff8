package fetcher

import (
	"context"
	"sync"
)

// locks keeps sessions apart: one at a time for each name, which is an account's key. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*turn
}

// turn is the lock of one name.
type turn struct {
	free  chan struct{} // holds 1 while nobody has it
	users int           // that have it or wait for it
}

// lock waits until it's the caller's turn, or ctx ends.
func (l *locks) lock(ctx context.Context, name string) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*turn{}
	}
	t := l.held[name]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		l.held[name] = t
	}
	t.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(l.held, name)
		}
	}
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
