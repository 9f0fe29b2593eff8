package schedule

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// fake is a store and providers in one: it says what happened when, in time since the beginning.
type fake struct {
	s     *Scheduler
	start time.Time

	mu       sync.Mutex
	accounts map[string]*contract.FetchAccount
	outcome  func(name string, n int) Outcome // of the n-th fetch; nil: all succeed
	takes    time.Duration
	fetches  map[string][]time.Duration // when they began
	next     time.Time                  // as the last fetch was told
	keep     bool                       // wishes stay, as where the store refuses that a fetch begins
	running  int
	most     int
}

func newFake(s *settings.Settings) *fake {
	f := &fake{start: time.Now(), accounts: map[string]*contract.FetchAccount{}, fetches: map[string][]time.Duration{}, takes: time.Second}
	f.s = New(f.fetch, func() float64 { return 0.5 })
	f.s.Apply(s)
	return f
}

func (f *fake) fetch(a *contract.FetchAccount, settle func(Outcome) time.Time) bool {
	f.mu.Lock()
	f.running++
	f.most = max(f.most, f.running)
	f.fetches[a.Name] = append(f.fetches[a.Name], time.Since(f.start))
	var o Outcome
	if f.outcome != nil {
		o = f.outcome(a.Name, len(f.fetches[a.Name]))
	}
	f.mu.Unlock()
	f.change(a.Name, func(a *contract.FetchAccount) {
		if !f.keep {
			a.LastFetch, a.Wanted, a.Asked = timestamppb.Now(), false, false
		}
	})
	time.Sleep(f.takes)
	next := settle(o)
	f.mu.Lock()
	f.next = next
	f.running--
	f.mu.Unlock()
	f.change(a.Name, func(a *contract.FetchAccount) { a.Refused = o.Refused })
	return true
}

func (f *fake) change(name string, change func(*contract.FetchAccount)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.accounts[name]
	a := &contract.FetchAccount{Id: []byte(name), Name: name, Host: "pop.example.org"}
	if old != nil {
		a.Paused, a.Refused, a.Wanted, a.Asked = old.Paused, old.Refused, old.Wanted, old.Asked
		a.Host, a.LastPoll, a.LastFetch, a.Removed = old.Host, old.LastPoll, old.LastFetch, old.Removed
	}
	change(a)
	f.accounts[name] = a
	f.s.Update([]*contract.FetchAccount{a})
}

func (f *fake) poll(name string) {
	f.change(name, func(a *contract.FetchAccount) { a.LastPoll, a.Wanted = timestamppb.Now(), true })
}

func (f *fake) ask(name string) {
	f.change(name, func(a *contract.FetchAccount) { a.Wanted, a.Asked = true, true })
}

func (f *fake) keepWishes(keep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep = keep
}

// at waits until so long after the beginning.
func (f *fake) at(d time.Duration) {
	time.Sleep(time.Until(f.start.Add(d)))
	synctest.Wait()
}

func base() *settings.Settings {
	s := settings.Default()
	p := settings.DefaultProvider("pop.example.org")
	p.MinInterval = time.Minute
	s.Providers = []settings.Provider{p}
	return s
}

func TestScheduler(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	cases := []struct {
		name     string
		settings func(*settings.Settings)
		outcome  func(name string, n int) Outcome
		play     func(f *fake)
		until    time.Duration
		want     []time.Duration
	}{
		{
			name: "a poll, then the schedule, until nobody polled for idle_after",
			settings: func(s *settings.Settings) {
				s.Fetch.Schedule, s.Fetch.IdleAfter = 5*m, 12*m
			},
			play: func(f *fake) { f.at(m); f.poll("a") }, until: time.Hour,
			want: []time.Duration{m, 6 * m, 11 * m},
		},
		{
			name: "a new account: nothing before its first poll has ended",
			play: func(f *fake) { f.change("a", func(*contract.FetchAccount) {}); f.at(3 * m); f.poll("a") }, until: 4 * m,
			want: []time.Duration{3 * m},
		},
		{
			name:     "without a schedule: exactly one fetch for a poll",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0 },
			play:     func(f *fake) { f.poll("a"); f.at(10 * m); f.poll("a") }, until: time.Hour,
			want: []time.Duration{0, 10 * m},
		},
		{
			name:     "polls inside the minimum interval are put off to its end, not dropped",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0 },
			play: func(f *fake) {
				f.poll("a")
				f.at(10 * time.Second)
				f.poll("a")
				f.at(20 * time.Second)
				f.poll("a")
			},
			until: time.Hour, want: []time.Duration{0, m},
		},
		{
			name:     "a poll while a fetch is under way wants another one",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0; s.Providers[0].MinInterval = 0 },
			play:     func(f *fake) { f.poll("a"); f.at(time.Second / 2); f.poll("a") }, until: time.Hour,
			want: []time.Duration{0, time.Second},
		},
		{
			name: "failures back off, doubling, up to two hours, never inside the minimum interval",
			settings: func(s *settings.Settings) {
				s.Fetch.Schedule = 0
			},
			outcome: func(string, int) Outcome { return Outcome{Failed: true} },
			play:    func(f *fake) { f.poll("a") }, until: 9 * time.Hour,
			// Each fetch takes a second; the first retry, after 31 s, is put off to the interval's end.
			want: []time.Duration{
				0, m, 2*m + 1*time.Second, 4*m + 2*time.Second, 8*m + 3*time.Second, 16*m + 4*time.Second, 32*m + 5*time.Second,
				64*m + 6*time.Second, 128*m + 7*time.Second, 248*m + 8*time.Second, 368*m + 9*time.Second, 488*m + 10*time.Second,
			},
		},
		{
			name: "failures back off as the settings say",
			settings: func(s *settings.Settings) {
				s.Fetch.Schedule, s.Providers[0].MinInterval = 0, 0
				s.Fetch.RetryFirst, s.Fetch.RetryLongest = 10*time.Second, 45*time.Second
			},
			outcome: func(string, int) Outcome { return Outcome{Failed: true} },
			play:    func(f *fake) { f.poll("a") }, until: 3 * m,
			want: []time.Duration{0, 11 * time.Second, 32 * time.Second, 73 * time.Second, 119 * time.Second, 165 * time.Second},
		},
		{
			name:     "a poll shortens the back-off, a success ends it",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 20 * m },
			outcome:  func(_ string, n int) Outcome { return Outcome{Failed: n < 5} },
			play:     func(f *fake) { f.poll("a"); f.at(6 * m); f.poll("a") }, until: 40 * m,
			want: []time.Duration{0, m, 2*m + time.Second, 4*m + 2*time.Second, 6 * m, 26 * m},
		},
		{
			name:     "a bare refusal isn't tried again for a while, unless a client polls",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0 },
			outcome:  func(_ string, n int) Outcome { return Outcome{Failed: n < 3, Pause: 15 * m} },
			play:     func(f *fake) { f.poll("a"); f.at(3 * m); f.poll("a") }, until: 40 * m,
			want: []time.Duration{0, 3 * m, 18*m + time.Second},
		},
		{
			name:    "a definite refusal ends it, until the store says so",
			outcome: func(_ string, n int) Outcome { return Outcome{Failed: n == 1, Refused: n == 1} },
			play: func(f *fake) {
				f.poll("a")
				f.at(10 * m)
				f.poll("a")
				f.at(20 * m)
				f.change("a", func(a *contract.FetchAccount) { a.Refused, a.Wanted = false, true })
			},
			until: 24 * m, want: []time.Duration{0, 20 * m},
		},
		{
			name:     "what a session left is fetched at once",
			settings: func(s *settings.Settings) { s.Fetch.Schedule, s.Providers[0].MinInterval = 0, 0 },
			outcome:  func(_ string, n int) Outcome { return Outcome{More: n < 3} },
			play:     func(f *fake) { f.poll("a") }, until: time.Hour,
			want: []time.Duration{0, time.Second, 2 * time.Second},
		},
		{
			name:     "… but not inside the minimum interval",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0 },
			outcome:  func(_ string, n int) Outcome { return Outcome{More: n < 3} },
			play:     func(f *fake) { f.poll("a") }, until: time.Hour,
			want: []time.Duration{0, m, 2 * m},
		},
		{
			name:     "the owner's wish ends the back-off",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0 },
			outcome:  func(_ string, n int) Outcome { return Outcome{Failed: n < 7} },
			play:     func(f *fake) { f.poll("a"); f.at(17 * m); f.ask("a"); f.at(17*m + 5*time.Second); f.ask("a") }, until: 3 * time.Hour,
			// The 5th would be due at 16 min; the owner asks behind the 6th, and again inside the minimum interval.
			want: []time.Duration{0, m, 2*m + time.Second, 4*m + 2*time.Second, 8*m + 3*time.Second, 16*m + 4*time.Second, 17*m + 4*time.Second, 18*m + 4*time.Second},
		},
		{
			name:     "the owner's wish stands above a firm pause, a poll doesn't",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0 },
			outcome:  func(_ string, n int) Outcome { return Outcome{Failed: n < 4, Pause: 15 * m, Firm: true} },
			play: func(f *fake) {
				f.poll("a")
				f.at(5 * m)
				f.poll("a")
				f.at(20 * m)
				f.ask("a")
			},
			until: time.Hour, want: []time.Duration{0, 15*m + time.Second, 20 * m, 35*m + time.Second},
		},
		{
			name:     "what is the box's own fault doesn't add up, nor does it run wild",
			settings: func(s *settings.Settings) { s.Fetch.Schedule, s.Providers[0].MinInterval = 0, 0 },
			outcome:  func(_ string, n int) Outcome { return Outcome{Failed: n < 5, Ours: true, Pause: m} },
			play: func(f *fake) {
				f.keepWishes(true) // the store couldn't note that the fetch began
				f.poll("a")
				f.at(m / 2)
				f.ask("a")
				f.at(4 * m)
				f.keepWishes(false)
			},
			until: time.Hour, want: []time.Duration{0, m + time.Second, 2*m + 2*time.Second, 3*m + 3*time.Second, 4*m + 4*time.Second},
		},
		{
			name:     "the provider's own interval holds, for polls and for what a session left, until it says another",
			settings: func(s *settings.Settings) { s.Fetch.Schedule = 0 },
			outcome: func(_ string, n int) Outcome {
				return []Outcome{{Interval: 10 * m}, {More: true}, {Interval: 2 * m}, {}}[n-1]
			},
			play: func(f *fake) {
				f.poll("a")
				f.at(m)
				f.poll("a")
				f.at(21 * m)
				f.poll("a")
			},
			until: time.Hour, want: []time.Duration{0, 10 * m, 20 * m, 22 * m},
		},
		{
			name: "a schedule that is shorter than the provider's own interval",
			settings: func(s *settings.Settings) {
				s.Fetch.Schedule = 2 * m
			},
			outcome: func(string, int) Outcome { return Outcome{Interval: 15 * m} },
			play:    func(f *fake) { f.poll("a") }, until: 50 * m,
			want: []time.Duration{0, 15 * m, 30 * m, 45 * m},
		},
		{
			name: "paused and resumed",
			play: func(f *fake) {
				f.change("a", func(a *contract.FetchAccount) { a.Paused = true })
				f.poll("a")
				f.at(7 * m)
				f.change("a", func(a *contract.FetchAccount) { a.Paused = false })
			},
			until: 11 * m, want: []time.Duration{7 * m},
		},
		{
			name: "removed",
			play: func(f *fake) {
				f.poll("a")
				f.at(2 * m)
				f.change("a", func(a *contract.FetchAccount) { a.Removed = true })
			},
			until: time.Hour, want: []time.Duration{0},
		},
		{
			name:    "the store doesn't know it",
			outcome: func(string, int) Outcome { return Outcome{Failed: true, Gone: true} },
			play: func(f *fake) {
				f.poll("a")
			},
			until: time.Hour, want: []time.Duration{0},
		},
		{
			name: "settings hold at once",
			play: func(f *fake) {
				f.poll("a")
				f.at(2 * m)
				s := base()
				s.Fetch.Schedule = 30 * m
				f.s.Apply(s)
			},
			until: 35 * m, want: []time.Duration{0, 30 * m},
		},
		{
			name: "a last fetch in the future, by a clock that was wrong",
			play: func(f *fake) {
				f.change("a", func(a *contract.FetchAccount) {
					a.LastPoll, a.LastFetch = timestamppb.Now(), timestamppb.New(time.Now().Add(1000*time.Hour))
				})
			},
			until: 6 * m, want: []time.Duration{5 * m},
		},
		{
			name: "a poll in the future, by a clock that was wrong, is waited for no longer",
			play: func(f *fake) {
				f.change("a", func(a *contract.FetchAccount) {
					a.LastPoll, a.Wanted = timestamppb.New(time.Now().Add(1000*time.Hour)), true
				})
			},
			until: 6 * m, want: []time.Duration{0, 5 * m},
		},
		{
			name: "a poll in the future keeps the schedule going no longer than one of now",
			settings: func(s *settings.Settings) {
				s.Fetch.IdleAfter = 12 * m
			},
			play: func(f *fake) {
				f.change("a", func(a *contract.FetchAccount) {
					a.LastPoll, a.LastFetch = timestamppb.New(time.Now().Add(1000*time.Hour)), timestamppb.Now()
				})
			},
			until: 59 * m, want: []time.Duration{5 * m, 10 * m},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := base()
				if c.settings != nil {
					c.settings(s)
				}
				f := newFake(s)
				f.outcome = c.outcome
				ctx, cancel := context.WithCancel(t.Context())
				go f.s.Run(ctx, time.Minute, func() {})
				synctest.Wait()
				c.play(f)
				f.at(c.until)
				cancel()
				synctest.Wait()
				if got := f.fetches["a"]; !slices.Equal(got, c.want) {
					t.Errorf("fetched at %v, want %v", got, c.want)
				}
			})
		})
	}
}

// TestParallel starts no more than so many at once, and all of them in the end.
func TestParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := base()
		s.Fetch.Parallel, s.Fetch.Schedule = 3, 0
		f := newFake(s)
		ctx, cancel := context.WithCancel(t.Context())
		go f.s.Run(ctx, time.Minute, func() {})
		for n := range 10 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			f.poll(fmt.Sprint(n))
		}
		f.at(time.Minute)
		cancel()
		synctest.Wait()
		if f.most != 3 || len(f.fetches) != 10 {
			t.Errorf("%d at once, %d in all; want 3, 10", f.most, len(f.fetches))
		}
		if first, last := f.fetches["0"][0], f.fetches["9"][0]; last < first {
			t.Errorf("the last to poll was fetched at %v, the first at %v", last, first)
		}
	})
}

// TestNextFetch tells each fetch when the next one is planned.
func TestNextFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(base())
		ctx, cancel := context.WithCancel(t.Context())
		go f.s.Run(ctx, time.Minute, func() {})
		f.poll("a")
		f.at(2 * time.Minute)
		cancel()
		synctest.Wait()
		if got := f.next.Sub(f.start); got != 5*time.Minute {
			t.Errorf("next fetch at %v, want 5m", got)
		}
	})
}

// TestRunWaits returns only when what is under way has ended, and starts nothing more.
func TestRunWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(base())
		f.takes = 5 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		f.poll("a")
		ticks := 0
		time.AfterFunc(time.Second, cancel)
		f.s.Run(ctx, 100*time.Millisecond, func() { ticks++ })
		if took := time.Since(f.start); took != 5*time.Second {
			t.Errorf("Run returned after %v, want 5s", took)
		}
		if ticks < 10 {
			t.Errorf("%d ticks in a second, want one each 100ms", ticks)
		}
	})
}

// TestJitter spreads the schedule, and nothing that a poll asked for.
func TestJitter(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := base()
	for _, c := range []struct {
		jitter float64
		want   time.Duration
	}{{0, 270 * time.Second}, {0.5, 300 * time.Second}, {1, 330 * time.Second}} {
		a := &contract.FetchAccount{Host: "pop.example.org", LastPoll: timestamppb.New(now), LastFetch: timestamppb.New(now)}
		e := &entry{jitter: c.jitter}
		e.take(a, now)
		due, _, ok := e.plan(s, time.Minute)
		if got := due.Sub(now); !ok || got != c.want {
			t.Errorf("jitter %v: due after %v, want %v", c.jitter, got, c.want)
		}
		a.Wanted = true
		if due, _, ok = e.plan(s, time.Minute); !ok || due.Sub(now) != time.Minute {
			t.Errorf("jitter %v: a poll is due after %v, want 1m", c.jitter, due.Sub(now))
		}
	}
}

// TestOneClock: what the store says by the time of day is kept by the clock that never jumps, as all else is that it's
// compared with. So a clock that is set, by a year either way, puts no account behind all others.
func TestOneClock(t *testing.T) {
	t.Parallel()
	s := base()
	s.Fetch.IdleAfter = 1000 * time.Hour
	scheduler := New(nil, nil)
	scheduler.Apply(s)
	for name, a := range map[string]*contract.FetchAccount{
		"polled":          {LastPoll: timestamppb.New(time.Now().Add(-time.Hour)), Wanted: true},
		"fetched":         {LastPoll: timestamppb.Now(), LastFetch: timestamppb.New(time.Now().Add(-2 * time.Minute))},
		"in the future":   {LastPoll: timestamppb.New(time.Now().Add(9000 * time.Hour)), Wanted: true},
		"fetched in 1970": {LastPoll: timestamppb.Now(), LastFetch: timestamppb.New(time.Unix(3600, 0))},
	} {
		a.Id, a.Host = []byte(name), "pop.example.org"
		scheduler.Update([]*contract.FetchAccount{a})
		e := scheduler.accounts[name]
		if e.index < 0 {
			t.Errorf("%s: not in the line", name)
		} else if e.due == e.due.Round(0) { // which takes the reading of that clock off
			t.Errorf("%s: due at %v, by the time of day alone", name, e.due)
		}
	}
}
