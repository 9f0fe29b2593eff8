package gate

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var (
	here      = netip.MustParsePrefix("192.168.1.7/32")
	elsewhere = netip.MustParsePrefix("203.0.113.7/32")
)

func TestFailures(t *testing.T) {
	t.Parallel()
	const limit = 10
	now := time.Unix(1_800_000_000, 0)
	fail := func(f *failures, from netip.Prefix, name string, times int) {
		for range times {
			f.failed(f.look(from, name, limit, now), limit, now)
		}
	}
	allowed := func(f *failures, from netip.Prefix, name string, at time.Time) bool {
		return f.look(from, name, limit, at).allows(limit)
	}
	for _, tt := range []struct {
		name   string
		before func(*failures)
		from   netip.Prefix
		to     string
		after  time.Duration
		want   bool
	}{
		{"below the limit", func(f *failures) { fail(f, here, "a", 9) }, here, "a", 0, true},
		{"at the limit", func(f *failures) { fail(f, here, "a", 10) }, here, "a", 0, false},
		{"six seconds later, one", func(f *failures) { fail(f, here, "a", 10) }, here, "a", 6 * time.Second, true},
		{"not before", func(f *failures) { fail(f, here, "a", 10) }, here, "a", 5 * time.Second, false},
		{"however many failed", func(f *failures) { fail(f, here, "a", 1000) }, here, "a", 6 * time.Second, true},
		{"another account from there", func(f *failures) { fail(f, here, "a", 10) }, here, "b", 0, false},
		{"another place, another account", func(f *failures) { fail(f, here, "a", 10) }, elsewhere, "b", 0, true},
		{"the account from elsewhere, in other letters", func(f *failures) { fail(f, here, "a", 10) }, elsewhere, "A", 0, false},
		{"its user where he was before", func(f *failures) {
			f.accepted(f.look(elsewhere, "a", limit, now), now)
			fail(f, here, "a", 10)
		}, elsewhere, "a", 0, true},
		{"its user beside one who fails", func(f *failures) {
			f.accepted(f.look(here, "b", limit, now), now)
			fail(f, here, "a", 10)
		}, here, "b", 0, true},
		{"who fails where he was before", func(f *failures) {
			f.accepted(f.look(here, "a", limit, now), now)
			fail(f, here, "a", 10)
		}, here, "a", 0, false},
		{"and keeps nobody else out", func(f *failures) {
			f.accepted(f.look(here, "a", limit, now), now)
			fail(f, here, "a", 10)
		}, here, "b", 0, true},
		{"a login that is accepted ends his count", func(f *failures) {
			f.accepted(f.look(here, "a", limit, now), now)
			fail(f, here, "a", 9)
			f.accepted(f.look(here, "a", limit, now), now)
			fail(f, here, "a", 9)
		}, here, "a", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f failures
			tt.before(&f)
			if got := allowed(&f, tt.from, tt.to, now.Add(tt.after)); got != tt.want {
				t.Errorf("allowed: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFailuresTakeNoMoreMemory(t *testing.T) {
	t.Parallel()
	var f failures
	now := time.Unix(1_800_000_000, 0)
	for i := range 5 * maxCounts {
		f.failed(f.look(here, fmt.Sprint(i), 10, now), 10, now)
	}
	if n := len(f.young) + len(f.old); n > 2*maxCounts {
		t.Errorf("%d counts are kept, over %d", n, 2*maxCounts)
	}
	if f.look(here, "x", 10, now).allows(10) {
		t.Error("a count that was used all the time is forgotten")
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1":             "192.0.2.1/32",
		"2001:db8:1:2:3:4:5:6":  "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::12": "2001:db8:1:2::/64",
	} {
		if got := Origin(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	Origin(netip.Addr{}) // a connection without an address
}
