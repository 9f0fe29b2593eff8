package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"postroom/services/contract"
)

// leaseWait is how long a server waits for a mailbox that another one has open.
const leaseWait = time.Second

// leases know which POP3 server has which mailbox open: while one drains beside its successor, an account is
// to be open in one of them alone. They live as long as the servers do: those of a server without a life line
// count for nothing, and one that has it again says what it has open.
type leases struct {
	mu      sync.Mutex
	servers map[uint64]int // life lines
	open    map[accountID]lease
	freed   chan struct{} // closed when a mailbox, or a server's life, has ended; then there is a new one
}

// lease is who has a mailbox open.
type lease struct{ server, session uint64 }

func (l *leases) start() {
	l.servers = make(map[uint64]int)
	l.open = make(map[accountID]lease)
	l.freed = make(chan struct{})
}

func (l *leases) join(server uint64, open map[accountID]lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers[server]++
	for id, now := range open {
		if !l.heldByOther(id, server) {
			l.open[id] = now
		}
	}
}

func (l *leases) part(server uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.servers[server]--; l.servers[server] > 0 {
		return
	}
	delete(l.servers, server)
	for id, of := range l.open {
		if of.server == server {
			delete(l.open, id)
		}
	}
	l.tell()
}

// take opens a mailbox. It may be repeated.
func (l *leases) take(ctx context.Context, id accountID, now lease) error {
	late := time.NewTimer(leaseWait)
	defer late.Stop()
	for {
		freed := l.try(id, now)
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-late.C:
			return fmt.Errorf("%w: another POP3 server has the mailbox open", contract.ErrConflict)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *leases) try(id accountID, now lease) (freed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heldByOther(id, now.server) {
		return l.freed
	}
	l.open[id] = now
	return nil
}

func (l *leases) giveBack(id accountID, session uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[id].session == session {
		delete(l.open, id)
		l.tell()
	}
}

// heldByOther is called with mu held.
func (l *leases) heldByOther(id accountID, server uint64) bool {
	of, held := l.open[id]
	return held && of.server != server && l.servers[of.server] > 0
}

// tell is called with mu held.
func (l *leases) tell() {
	close(l.freed)
	l.freed = make(chan struct{})
}

// Serve is a POP3 server's life line.
func (p pop3) Serve(ctx context.Context, q *contract.ServeRequest, stream contract.Pop3_ServeServer) error {
	open := make(map[accountID]lease, len(q.Open))
	for _, o := range q.Open {
		id, err := parseAccount(o.GetAccount())
		if err != nil {
			return contract.ToStatus(err)
		}
		open[id] = lease{q.Server, o.Session}
	}
	p.leases.join(q.Server, open)
	defer p.leases.part(q.Server)
	look := make(chan struct{}, 1) // it only lives: one word, for who waits until it does
	look <- struct{}{}
	return contract.ToStatus(p.speak(ctx, look, stream))
}
