package pop3

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/settings"
)

// The login is held until there is fresh mail, or for as long as the settings say; whatever comes of it, the client
// sees what is there then, and no error.
func TestHold(t *testing.T) {
	t.Parallel()
	const hold = 20 * time.Second
	for _, tt := range []struct {
		name     string
		delivery settings.Delivery
		fresh    func(context.Context) error
		took     time.Duration
	}{
		{"next poll", settings.DeliveryNextPoll, nil, 0},
		{"fresh mail", settings.DeliverySamePoll, func(context.Context) error { time.Sleep(3 * time.Second); return nil }, 3 * time.Second},
		{"a slow provider", settings.DeliverySamePoll, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, hold},
		{"the store's error", settings.DeliverySamePoll, func(context.Context) error { return errors.New("x") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeStore(t)
			f.settings.POP3.Delivery, f.settings.POP3.Hold = tt.delivery, hold
			f.fresh = func(ctx context.Context) error {
				err := tt.fresh(ctx)
				f.add(t, testPrefix, "Subject: fresh\r\n\r\n")
				return err
			}
			synctest.Test(t, func(t *testing.T) {
				p := pipeFrom(t, f, inside)
				defer p.end()
				began := time.Now()
				p.logIn()
				if took := time.Since(began); took != tt.took {
					t.Errorf("logged in after %v, want %v", took, tt.took)
				}
				want := "+OK 1 "
				if tt.fresh == nil {
					want = "+OK 0 "
				}
				p.ask("STAT", want)
			})
		})
	}
}

// Two clients that poll at the same time are both held, and then one after the other is let in.
func TestHoldOfTwo(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.POP3.Delivery = settings.DeliverySamePoll
	f.fresh = func(ctx context.Context) error { time.Sleep(3 * time.Second); return nil }
	synctest.Test(t, func(t *testing.T) {
		first := pipeFrom(t, f, inside)
		second := pipeTo(t, f, first.server, inside)
		defer second.end()
		defer first.end()
		began := time.Now()
		for _, p := range []*piped{first, second} {
			p.ask("USER "+testName, "+OK")
			p.send("PASS " + testPassword + "\r\n")
			synctest.Wait()
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		open := first
		other := second
		first.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := first.in.Peek(1); err != nil {
			open, other = second, first
		}
		first.nc.SetReadDeadline(time.Time{})
		open.want("+OK")
		open.ask("QUIT", "+OK")
		other.want("+OK")
		if took := time.Since(began); took > 3*time.Second+lockWait {
			t.Errorf("the second was let in after %v", took)
		}
	})
}

// A service that stops lets held logins go on at once.
func TestStopWhileHeld(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.POP3.Delivery = settings.DeliverySamePoll
	f.fresh = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	synctest.Test(t, func(t *testing.T) {
		p := pipeFrom(t, f, inside)
		defer p.end()
		p.ask("USER "+testName, "+OK")
		p.send("PASS " + testPassword + "\r\n")
		synctest.Wait()
		began := time.Now()
		p.stop()
		p.want("+OK")
		if took := time.Since(began); took != 0 {
			t.Errorf("let go after %v", took)
		}
		p.ask("QUIT", "+OK")
	})
}
