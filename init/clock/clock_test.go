package clock

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func answer(server string, offset time.Duration) Answer {
	return Answer{Server: server, Offset: offset, Error: 10 * time.Millisecond}
}

func TestAgree(t *testing.T) {
	t.Parallel()
	silent := Answer{Server: "d", Err: errors.New("no answer")}
	for _, c := range []struct {
		name    string
		answers []Answer
		want    time.Duration
		wrong   string
	}{
		{"one", []Answer{answer("a", time.Hour)}, time.Hour, ""},
		{"one of several", []Answer{silent, answer("a", time.Hour)}, time.Hour, ""},
		{"a liar among three", []Answer{answer("a", time.Second), answer("b", 40*24*time.Hour), answer("c", time.Second)}, time.Second, ""},
		{"two that disagree", []Answer{answer("a", 0), answer("b", time.Hour)}, 0, "disagree: a 0s, b 1h0m0s"},
		{"none", []Answer{silent}, 0, "no answer"},
		{"none set", nil, 0, "no time server is set"},
	} {
		got, err := agree(c.answers)
		if got != c.want || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, %v, want %v, %q", c.name, got, err, c.want, c.wrong)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var asked, corrected int
		var good []bool
		var answers atomic.Pointer[[]Answer]
		answers.Store(&[]Answer{{Server: "a", Err: errors.New("no answer")}})
		k := Keeper{
			Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
			OnGood: func(g bool) { good = append(good, g) },
			Ask:    func(context.Context, Wanted) []Answer { asked++; return *answers.Load() },
			Set:    func(time.Duration) error { corrected++; return nil },
		}
		wanted, look := make(chan Wanted), make(chan struct{})
		done := make(chan struct{})
		go func() { defer close(done); k.Run(ctx, wanted, look) }()
		wanted <- Wanted{}
		time.Sleep(time.Hour)
		synctest.Wait()
		if asked < 10 || corrected > 0 || len(good) > 0 {
			t.Errorf("an hour without an answer: asked %d times, corrected %d, said %v", asked, corrected, good)
		}
		answers.Store(&[]Answer{answer("a", time.Minute)})
		look <- struct{}{}
		synctest.Wait()
		if corrected != 1 || len(good) != 1 || !good[0] {
			t.Errorf("after an answer: corrected %d times, said %v", corrected, good)
		}
		answers.Store(&[]Answer{})
		time.Sleep(goodFor + time.Hour)
		synctest.Wait()
		if len(good) != 2 || good[1] {
			t.Errorf("a week without an answer: said %v", good)
		}
		stop()
		<-done
	})
}

func TestPlausible(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		year int
		ok   bool
	}{{1970, false}, {2024, false}, {2026, true}, {2200, false}} {
		if err := plausible(time.Date(c.year, 6, 1, 0, 0, 0, 0, time.UTC)); (err == nil) != c.ok {
			t.Errorf("year %d: %v", c.year, err)
		}
	}
}
