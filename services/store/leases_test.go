package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"

	"github.com/containerd/ttrpc"
)

// aliveServer is a server's end of its life line.
type aliveServer struct {
	ttrpc.StreamServer
	spoke chan struct{}
}

func (a aliveServer) Send(*contract.Look) error { a.spoke <- struct{}{}; return nil }

// serve gives a POP3 server a life line until die.
func (b *box) serve(server uint64, open ...*contract.OpenMailboxRequest) (die func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	line := aliveServer{spoke: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pop3{b.Store}.Serve(ctx, &contract.ServeRequest{Server: server, Open: open}, line)
	}()
	<-line.spoke
	return func() { cancel(); <-ended }
}

func (b *box) openAs(account []byte, server, session uint64) error {
	_, err := pop3{b.Store}.OpenMailbox(b.t.Context(), &contract.OpenMailboxRequest{Account: account, Server: server, Session: session})
	return err
}

// While a POP3 server drains beside its successor, an account is open in one of them alone.
func TestAMailboxIsOpenInOneServer(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("a@pop3.example.org")
	other := b.enrolled("b@pop3.example.org")
	const old, next = 1, 2
	die := b.serve(old)
	defer b.serve(next)()
	end := func(session uint64) {
		t.Helper()
		if _, err := (pop3{b.Store}).EndPoll(t.Context(), &contract.EndPollRequest{Account: account, Session: session}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	want("the first session", b.openAs(account, old, 11), nil)
	want("the same again, since an answer was lost", b.openAs(account, old, 11), nil)
	want("one of the other server", b.openAs(account, next, 21), contract.ErrConflict)
	want("another account", b.openAs(other, next, 22), nil)
	want("the server's own next session", b.openAs(account, old, 12), nil)
	end(11) // late: it was dropped, and its server has begun another
	want("behind the end of the first session", b.openAs(account, next, 23), contract.ErrConflict)
	end(12)
	want("behind the end of the second session", b.openAs(account, next, 24), nil)
	want("the other way round", b.openAs(account, old, 13), contract.ErrConflict)
	end(24)
	want("one that will not end", b.openAs(account, old, 14), nil)
	die()
	want("behind the end of its server", b.openAs(account, next, 25), nil)
}

// A store that was away forgets leases; servers tell it what they have open.
func TestLeasesSurviveTheStore(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("a@pop3.example.org")
	die := b.serve(1, &contract.OpenMailboxRequest{Account: account, Session: 11})
	defer b.serve(2)()
	if err := b.openAs(account, 2, 21); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("a mailbox that another server has open still: got %v", err)
	}
	die()
	if err := b.openAs(account, 2, 22); err != nil {
		t.Error(err)
	}
	other := b.enrolled("b@pop3.example.org")
	if err := errors.Join(b.openAs(other, 3, 31), b.openAs(other, 2, 23)); err != nil {
		t.Errorf("a lease of a server without a life line: %v", err)
	}
}

func TestLeaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l leases
		l.start()
		id := accountID{1}
		l.join(1, map[accountID]lease{id: {1, 11}})
		began := time.Now()
		if err := l.take(t.Context(), id, lease{2, 21}); !errors.Is(err, contract.ErrConflict) || time.Since(began) != leaseWait {
			t.Errorf("got %v after %v, want a conflict after %v", err, time.Since(began), leaseWait)
		}
		taken := make(chan error)
		go func() { taken <- l.take(t.Context(), id, lease{2, 22}) }()
		time.Sleep(leaseWait / 2)
		began = time.Now()
		l.giveBack(id, 11)
		if err := <-taken; err != nil || time.Since(began) != 0 {
			t.Errorf("got %v %v after the mailbox was free", err, time.Since(began))
		}
	})
}
