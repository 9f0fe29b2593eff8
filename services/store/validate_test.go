package store

import (
	"context"
	"testing"

	"postroom/services/contract"
)

// line is a validator's life line.
type line struct {
	contract.Validator_WorkServer
	looks chan struct{}
}

func (l line) Send(*contract.Look) error {
	select {
	case l.looks <- struct{}{}:
	default:
	}
	return nil
}

// work opens a life line, and gives what breaks it.
func (b *box) work(worker uint64) (die func()) {
	ctx, cancel := context.WithCancel(context.Background())
	l := line{looks: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = validator{b.Store}.Work(ctx, &contract.WorkRequest{Worker: worker}, l) // ends with ctx
	}()
	<-l.looks
	return func() { cancel(); <-done }
}

func (b *box) take(worker uint64) *contract.TakeResponse {
	b.t.Helper()
	m, err := validator{b.Store}.Take(b.t.Context(), &contract.TakeRequest{Worker: worker})
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func TestAMessageThatAValidatorDiedWithComesAgainAlone(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1), mailOf(2), mailOf(3))
	for deaths := range uint32(2) {
		die := b.work(uint64(deaths) + 1)
		if m := b.take(uint64(deaths) + 1); m.None || m.Deaths != deaths {
			t.Fatalf("got %v, want a message with %d deaths", m, deaths)
		}
		if deaths > 0 {
			if m := b.take(uint64(deaths) + 1); !m.None {
				t.Errorf("beside a message that a validator died with, %v was given out", m)
			}
		}
		die()
	}
	b.reopen("two") // deaths outlive the store
	die := b.work(9)
	defer die()
	m := b.take(9)
	if m.Deaths != 2 {
		t.Fatalf("got %v, want the message with 2 deaths", m)
	}
	if _, err := (validator{b.Store}).Settle(t.Context(), &contract.SettleRequest{Worker: 9, Id: m.Id, Verdict: contract.VerdictDeliver, Prefix: []byte(deliver)}); err != nil {
		t.Fatal(err)
	}
	b.validate()
	if got := len(b.mailbox(account)); got != 3 {
		t.Errorf("%d mails are served, want 3", got)
	}
}

func TestReleasedMessageCountsNoDeath(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1))
	die := b.work(1)
	m := b.take(1)
	if _, err := (validator{b.Store}).Release(t.Context(), &contract.ReleaseRequest{Worker: 1, Id: m.Id}); err != nil {
		t.Fatal(err)
	}
	die()
	defer b.work(2)()
	if again := b.take(2); again.Id != m.Id || again.Deaths != 0 {
		t.Errorf("got %v, want message %d without deaths", again, m.Id)
	}
}

func TestSettleRefusesAPrefixThatIsNone(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1))
	defer b.work(1)()
	m := b.take(1)
	for _, prefix := range []string{"", "X-Postroom-Verdict: deliver", deliver + "X-Other: 1\r\n", deliver + "\r\n", "Subject: x\r\n"} {
		_, err := validator{b.Store}.Settle(t.Context(), &contract.SettleRequest{Worker: 1, Id: m.Id, Verdict: contract.VerdictDeliver, Prefix: []byte(prefix)})
		if err == nil {
			t.Errorf("prefix %q was taken", prefix)
		}
	}
}
