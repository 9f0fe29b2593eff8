package schedule

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// many is a fake whose accounts are spread over hosts; it knows how many sessions each host had at once.
type many struct {
	*fake
	inside map[string]int
	most   map[string]int
	took   func(a *contract.FetchAccount) (time.Duration, Outcome)
}

func newMany(s *settings.Settings) *many {
	m := &many{fake: newFake(s), inside: map[string]int{}, most: map[string]int{}}
	jitter := 0
	m.s = New(m.fetch, func() float64 { // evenly over 0 to 1, in an order of its own
		jitter = (jitter + 387) % 1000
		return float64(jitter) / 1000
	})
	m.s.Apply(s)
	return m
}

func (m *many) fetch(a *contract.FetchAccount, settle func(Outcome) time.Time) bool {
	m.mu.Lock()
	m.inside[a.Host]++
	m.most[a.Host] = max(m.most[a.Host], m.inside[a.Host])
	m.running++
	m.fake.most = max(m.fake.most, m.running)
	m.fetches[a.Name] = append(m.fetches[a.Name], time.Since(m.start))
	m.mu.Unlock()
	m.change(a.Name, func(a *contract.FetchAccount) { a.LastFetch, a.Wanted = timestamppb.Now(), false })
	takes, outcome := m.took(a)
	time.Sleep(takes)
	m.mu.Lock()
	m.inside[a.Host]--
	m.running--
	m.mu.Unlock()
	settle(outcome)
	return true
}

// play runs the scheduler until a time.
func (m *many) play(t *testing.T, until time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		m.s.Run(ctx, time.Minute, func() {})
		close(done)
	}()
	m.at(until)
	cancel()
	<-done
}

// add makes accounts known that were polled just before and fetched at some time.
func (m *many) add(host string, n int, change func(i int, a *contract.FetchAccount)) {
	for i := range n {
		m.change(fmt.Sprintf("%s-%d", host, i), func(a *contract.FetchAccount) {
			a.Host, a.LastPoll = host, timestamppb.New(m.start.Add(-time.Hour))
			change(i, a)
		})
	}
}

func wanted(_ int, a *contract.FetchAccount) { a.Wanted = true }

// TestHostLimit: a host that hangs has its share of the places and no more, and the others go on as if it weren't there.
func TestHostLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings.Default()
		s.Fetch.Schedule = 0
		m := newMany(s)
		m.took = func(a *contract.FetchAccount) (time.Duration, Outcome) {
			if a.Host == "hangs" {
				return 10 * time.Minute, Outcome{Failed: true}
			}
			return time.Second, Outcome{}
		}
		m.add("hangs", 500, wanted) // the first in the line
		m.add("goes", 100, func(_ int, a *contract.FetchAccount) { a.Wanted, a.LastPoll = true, timestamppb.New(m.start) })
		m.add("goes too", 100, func(_ int, a *contract.FetchAccount) { a.Wanted, a.LastPoll = true, timestamppb.New(m.start) })
		m.play(t, 9*time.Minute)
		if m.most["hangs"] != 8 || m.most["goes"] != 8 || m.most["goes too"] != 8 || m.fake.most != 24 {
			t.Errorf("at once %v, in all %d; want 8 each, 24", m.most, m.fake.most)
		}
		for _, host := range []string{"goes", "goes too"} {
			last := time.Duration(0)
			for i := range 100 {
				times := m.fetches[fmt.Sprintf("%s-%d", host, i)]
				if len(times) != 1 {
					t.Fatalf("%s: account %d was fetched %d times", host, i, len(times))
				}
				last = max(last, times[0])
			}
			if last != 12*time.Second { // 100 a second each, 8 at once
				t.Errorf("%s: the last one was fetched after %v, want 12s", host, last)
			}
		}
	})
}

func TestPerHost(t *testing.T) {
	t.Parallel()
	for parallel, want := range map[int]int{1: 1, 3: 3, 4: 4, 8: 4, 16: 4, 32: 8, 100: 25, 1000: 250} {
		s := settings.Default()
		s.Fetch.Parallel = parallel
		if got := perHost(s); got != want {
			t.Errorf("%d in all: %d with a host, want %d", parallel, got, want)
		}
	}
}

// TestFairness: an account with so much mail that it takes 100 sessions is fetched after each of them behind all that
// were due before, so that nobody waits longer than for one round.
func TestFairness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings.Default()
		s.Fetch.Schedule, s.Fetch.Parallel = 5*time.Minute, 4
		p := settings.DefaultProvider("one")
		p.MinInterval = 0
		s.Providers = []settings.Provider{p}
		m := newMany(s)
		sessions := 0
		m.took = func(a *contract.FetchAccount) (time.Duration, Outcome) {
			if a.Name == "one-0" {
				sessions++
				return 5 * time.Second, Outcome{More: sessions < 100}
			}
			return time.Second, Outcome{}
		}
		m.add("one", 401, wanted)
		m.play(t, 4*time.Minute)
		line := 0
		for i := 1; i < 401; i++ {
			times := m.fetches[fmt.Sprintf("one-%d", i)]
			if len(times) == 0 || times[0] > 110*time.Second {
				line++
			}
		}
		if line > 0 {
			t.Errorf("%d accounts waited longer than a round takes", line)
		}
		if own := m.fetches["one-0"]; len(own) < 20 || slices.Max(m.fetches["one-1"]) > own[1] {
			t.Errorf("the large account was fetched %d times, at first at %v; want its second session behind the first of all others", len(own), own[:min(3, len(own))])
		}
	})
}

// TestCatchUp: what should have been fetched long ago, by a stop or by new settings, is spread; what somebody waits for
// is fetched at once.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings.Default()
		s.Fetch.Parallel = 1000
		m := newMany(s)
		m.took = func(*contract.FetchAccount) (time.Duration, Outcome) { return 100 * time.Millisecond, Outcome{} }
		m.add("one", 10_000, func(i int, a *contract.FetchAccount) {
			a.Wanted, a.LastFetch = i < 10, timestamppb.New(m.start.Add(-30*time.Minute))
		})
		m.play(t, 5*time.Minute+time.Second)
		perSecond := map[int]int{}
		for i := range 10_000 {
			times := m.fetches[fmt.Sprintf("one-%d", i)]
			if len(times) == 0 || i < 10 && times[0] != 0 {
				t.Fatalf("account %d was fetched at %v", i, times)
			}
			if i >= 10 {
				perSecond[int(times[0]/time.Second)]++
			}
		}
		// 10,000 in 5 minutes are 33 a second.
		for second, n := range perSecond {
			if n > 50 {
				t.Errorf("%d accounts came in second %d", n, second)
			}
		}
		if len(perSecond) < 290 {
			t.Errorf("they came in %d of 300 seconds", len(perSecond))
		}
	})
}

// TestCatchUpShort: a stop of two seconds costs nobody more than two seconds.
func TestCatchUpShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings.Default()
		m := newMany(s)
		m.took = func(*contract.FetchAccount) (time.Duration, Outcome) { return time.Millisecond, Outcome{} }
		m.add("one", 100, func(_ int, a *contract.FetchAccount) {
			a.LastFetch = timestamppb.New(m.start.Add(-5*time.Minute - 32*time.Second)) // the jitter is up to 30 s
		})
		m.play(t, 63*time.Second)
		for i := range 100 {
			if n := len(m.fetches[fmt.Sprintf("one-%d", i)]); n != 1 {
				t.Errorf("account %d was fetched %d times within 63 s, want once", i, n)
			}
		}
	})
}

// TestKeepsItsPlace: an account that waits for a place keeps it when all is planned anew.
func TestKeepsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings.Default()
		s.Fetch.Parallel = 1
		m := newMany(s)
		m.took = func(*contract.FetchAccount) (time.Duration, Outcome) { return 40 * time.Second, Outcome{} }
		m.add("one", 5, func(i int, a *contract.FetchAccount) {
			a.LastFetch = timestamppb.New(m.start.Add(-6*time.Minute + time.Duration(i)*time.Second))
		})
		time.AfterFunc(70*time.Second, func() {
			again := *s
			again.Fetch.MaxSize++ // another setting changes
			m.s.Apply(&again)
		})
		m.play(t, 10*time.Minute)
		for i := range 5 {
			if times := m.fetches[fmt.Sprintf("one-%d", i)]; len(times) == 0 || times[0] > 260*time.Second {
				t.Errorf("account %d was fetched at %v", i, times)
			}
		}
	})
}

// TestHostsAreForgotten with the last of their accounts.
func TestHostsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMany(settings.Default())
		m.add("one", 3, wanted)
		m.add("two", 1, wanted)
		if len(m.s.hosts) != 2 || len(m.s.line) != 2 {
			t.Fatalf("%d hosts, %d in the line", len(m.s.hosts), len(m.s.line))
		}
		for i := range 3 {
			m.s.Update([]*contract.FetchAccount{{Id: fmt.Appendf(nil, "one-%d", i), Removed: true}})
		}
		if len(m.s.hosts) != 1 || len(m.s.line) != 1 || m.s.line[0].name != "two" || len(m.s.accounts) != 1 {
			t.Errorf("%d hosts, %d in the line, %d accounts; want one each", len(m.s.hosts), len(m.s.line), len(m.s.accounts))
		}
	})
}

// TestLine: whatever happens, the line is in order, holds each host that has room and something to do, and no other.
func TestLine(t *testing.T) {
	t.Parallel()
	const limit = 2
	now := time.Unix(1_000_000, 0)
	var l line
	hosts := make([]*host, 7)
	var all []*entry
	for i := range hosts {
		hosts[i] = &host{name: fmt.Sprint(i), index: -1}
		for range 5 {
			all = append(all, &entry{host: hosts[i], index: -1})
		}
	}
	next := uint32(1)
	draw := func(n int) int {
		next = next*1664525 + 1013904223
		return int(next>>8) % n
	}
	for step := range 20_000 {
		switch e := all[draw(len(all))]; draw(4) {
		case 0:
			l.place(e, false, limit)
		case 1:
			e.host.running = draw(limit + 1)
			l.arrange(e.host, limit)
		default:
			e.due = now.Add(time.Duration(draw(1000)) * time.Second)
			l.place(e, true, limit)
		}
		first := time.Time{}
		for _, h := range hosts {
			if in := len(h.queue) > 0 && h.running < limit; in != (h.index >= 0) {
				t.Fatalf("step %d: host %s with %d in its queue and %d running: in the line %t", step, h.name, len(h.queue), h.running, !in)
			} else if !in {
				continue
			}
			for _, e := range h.queue {
				if first.IsZero() || e.due.Before(first) {
					first = e.due
				}
			}
		}
		if len(l) > 0 && !l[0].queue[0].due.Equal(first) {
			t.Fatalf("step %d: first is %v, want %v", step, l[0].queue[0].due, first)
		}
	}
}

// BenchmarkPlanAll plans 10,000 accounts anew, as new settings do.
func BenchmarkPlanAll(b *testing.B) {
	s := settings.Default()
	now := time.Now()
	scheduler := New(nil, nil)
	scheduler.Apply(s)
	for i := range 10_000 {
		scheduler.Update([]*contract.FetchAccount{{
			Id: fmt.Append(nil, i), Host: fmt.Sprintf("pop%d.example.org", i%50), LastPoll: timestamppb.New(now),
			LastFetch: timestamppb.New(now.Add(-time.Duration(i%300) * time.Second)),
		}})
	}
	for b.Loop() {
		scheduler.planAll()
	}
}
