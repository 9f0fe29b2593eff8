package store

import (
	"testing"
	"time"
)

func TestClockThatJumpsIsDoubted(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name      string
		good      bool
		wall, ran time.Duration // since the report
		want      bool
	}{
		{"nobody vouched for it", false, time.Hour, time.Hour, false},
		{"time goes by", true, 40 * 24 * time.Hour, 40 * 24 * time.Hour, true},
		{"a small step", true, 25 * time.Hour, 2 * time.Hour, true},
		{"a jump ahead", true, 26 * time.Hour, time.Hour, false},
		{"a jump back", true, -24 * time.Hour, time.Hour, false},
	} {
		wall, ran := start, time.Duration(0)
		clk := clock{now: func() time.Time { return wall }, running: func() time.Duration { return ran }}
		clk.report(c.good)
		wall, ran = start.Add(c.wall), c.ran
		if got := clk.isGood(); got != c.want {
			t.Errorf("%s: good %t, want %t", c.name, got, c.want)
		}
		wall = start.Add(c.ran)
		if c.good && clk.isGood() != c.want {
			t.Errorf("%s: a doubted clock became good by itself", c.name)
		}
	}
}
