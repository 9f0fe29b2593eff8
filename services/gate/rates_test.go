package gate

import (
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	t.Parallel()
	var r Rates
	now := time.Unix(1_800_000_000, 0)
	take := func(who string, limit int) bool { return r.Take(who, limit, now) }
	for n := range 6 {
		if !take("a", 6) {
			t.Errorf("take %d of 6 is refused", n+1)
		}
	}
	if take("a", 6) {
		t.Error("a seventh is allowed")
	}
	if !take("b", 6) {
		t.Error("somebody else is refused")
	}
	if !take("a", 0) {
		t.Error("without a limit it is refused")
	}
	now = now.Add(9 * time.Second)
	if take("a", 6) {
		t.Error("one is allowed after nine seconds of ten")
	}
	now = now.Add(time.Second)
	if !take("a", 6) || take("a", 6) {
		t.Error("after ten seconds not just one is allowed")
	}
	now = now.Add(time.Hour)
	for range 6 {
		take("a", 6)
	}
	if take("a", 6) {
		t.Error("what wasn't used is saved up")
	}
}
