package validator

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
)

func TestWatchdog(t *testing.T) {
	t.Parallel()
	const interval = 30 * time.Second
	for _, test := range []struct {
		name   string
		length uint64
		judged bool
		after  time.Duration
		beats  bool
	}{
		{"nothing wrong", 100, false, interval - time.Second, true},
		{"stuck", 100, false, interval + time.Second, false},
		{"long, and given its time", 60 * leastSpeed, false, interval + 59*time.Second, true},
		{"long, and stuck", 60 * leastSpeed, false, interval + 61*time.Second, false},
		{"waits for the store", 100, true, time.Hour, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				beats := 0
				v := newValidator(nil, nil, interval, slog.New(slog.DiscardHandler))
				v.tell = func(string) { beats++ }
				one := v.hands.take(&contract.TakeResponse{Id: 1, Body: &contract.Body{Length: test.length}}, time.Now())
				if test.judged {
					v.hands.judged(one)
				}
				time.Sleep(test.after) // the bubble's clock
				ctx, cancel := context.WithCancel(t.Context())
				go v.feedWatchdog(ctx)
				synctest.Wait()
				if (beats == 1) != test.beats {
					t.Errorf("%d beats", beats)
				}
				v.hands.leave(one)
				time.Sleep(interval/3 + time.Second)
				synctest.Wait()
				if beats == 0 {
					t.Error("silent although the message left")
				}
				cancel()
			})
		})
	}
}

func TestTakenTwice(t *testing.T) {
	t.Parallel()
	var h hands
	m := &contract.TakeResponse{Id: 5}
	one := h.take(m, time.Now())
	if one == nil || h.take(m, time.Now()) != nil {
		t.Error("a message is in hand once")
	}
	h.leave(one)
	if h.take(m, time.Now()) == nil {
		t.Error("a message that left can be taken again")
	}
}
