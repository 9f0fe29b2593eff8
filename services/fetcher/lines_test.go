package fetcher

import (
	"testing"
	"time"
)

func TestLines(t *testing.T) {
	t.Parallel()
	var l lines
	start := time.Now()
	for i, step := range []struct {
		after        time.Duration
		broke, stuck bool
		drops        int
		lockStep     bool // a minute later
		kept         int
	}{
		{0, false, false, 0, false, 0},
		{1 * time.Hour, true, false, 1, false, 1},
		{2 * time.Hour, true, true, 2, true, 1},
		{3 * time.Hour, false, false, 1, true, 1},
		{4 * time.Hour, false, false, 0, true, 1},
		{25 * time.Hour, false, false, 0, true, 1},
		{26*time.Hour - time.Minute, false, false, 0, false, 1},
		{26 * time.Hour, false, false, 0, false, 0},
	} {
		now := start.Add(step.after)
		l.judge("a", step.broke, step.stuck, now)
		if got := l.of("a"); got.drops != step.drops || got.lockStep(now.Add(time.Minute)) != step.lockStep || len(l.bad) != step.kept {
			t.Errorf("step %d: got %+v, lock-step %t, %d kept; want %+v", i, got, got.lockStep(now.Add(time.Minute)), len(l.bad), step)
		}
	}
	for range 2 * mostDrops {
		l.judge("a", true, true, start)
	}
	if got := l.of("a").drops; got != mostDrops {
		t.Errorf("%d drops count, want %d at most", got, mostDrops)
	}
	if got := l.of("b"); got != (line{}) {
		t.Errorf("another account's sessions count: %+v", got)
	}
	l.forget("a")
	if len(l.bad) != 0 {
		t.Errorf("kept of an account that is gone: %v", l.bad)
	}
}
