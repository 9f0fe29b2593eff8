// Package schedule says which account is fetched when: after polls, on the schedule, with back-off, one session
// an account at a time, so many with one provider's host and so many in all.
package schedule

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
)

// longest is how long the main loop waits at most.
const longest = time.Minute

// Outcome is what a fetch came to, as far as it matters for the next one.
type Outcome struct {
	Failed   bool
	Ours     bool          // it failed for a reason of the box's own: tried again soon, however often that was
	Pause    time.Duration // after a failure: the least wait
	Firm     bool          // a poll doesn't shorten Pause, only the owner does
	Interval time.Duration // the least time between two logins, as the provider itself wants it; 0: it said nothing
	Refused  bool          // the provider definitely refused the login: no further try until the store says so
	More     bool          // mail was left for the limits of one session
	Gone     bool          // the store knows no such account
}

// Fetch fetches for an account. It calls settle once, when it knows what came of it, and is told when the
// next fetch is planned (the zero time: none is); it returns when the store was told, and what the store
// says of the account now was given to Update. It gives false where that came to nothing.
type Fetch func(a *contract.FetchAccount, settle func(Outcome) time.Time) (told bool)

// Scheduler starts fetches. Its methods may be used from many goroutines.
type Scheduler struct {
	fetch  Fetch
	jitter func() float64
	wake   chan struct{} // holds 1: look at the queue again

	mu       sync.Mutex
	settings *settings.Settings // nil: not known yet, nothing is started
	accounts map[string]*entry  // by id
	hosts    map[string]*host   // of the accounts, by name
	line     line
	running  int
}

// New makes a scheduler; jitter gives numbers from 0 to 1, nil: random ones.
func New(fetch Fetch, jitter func() float64) *Scheduler {
	if jitter == nil {
		jitter = rand.Float64
	}
	return &Scheduler{fetch: fetch, jitter: jitter, wake: make(chan struct{}, 1), accounts: map[string]*entry{}, hosts: map[string]*host{}}
}

// Apply takes settings; they hold from the next decision on.
func (s *Scheduler) Apply(settings *settings.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = settings
	for _, h := range s.hosts {
		h.interval = settings.Provider(h.name).MinInterval
		s.line.arrange(h, perHost(settings))
	}
	s.planAll()
	s.look()
}

// Update takes what the store says of accounts.
func (s *Scheduler) Update(accounts []*contract.FetchAccount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, a := range accounts {
		e := s.accounts[string(a.Id)]
		if e == nil {
			if a.Removed {
				continue
			}
			e = &entry{index: -1, host: s.host(a.Host), jitter: s.jitter()}
			e.host.accounts++
			s.accounts[string(a.Id)] = e
		}
		lifted := e.refused || e.account.GetRefused()
		e.take(a, now)
		if !e.running {
			e.lift(lifted)
		}
		s.plan(e)
	}
	s.look()
}

// Run starts what is due until ctx ends, then waits for the fetches under way. It calls tick at each turn of
// its loop, at least every `every`.
func (s *Scheduler) Run(ctx context.Context, every time.Duration, tick func()) {
	var fetches sync.WaitGroup
	defer fetches.Wait()
	for ctx.Err() == nil {
		tick()
		wait := min(every, longest)
		for {
			e, next := s.next()
			if e == nil {
				wait = min(wait, next)
				break
			}
			fetches.Go(func() { s.run(e) })
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next takes the first account that is due now, or says how long nothing is.
func (s *Scheduler) next() (*entry, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) == 0 || s.settings == nil || s.running >= s.settings.Fetch.Parallel {
		return nil, longest
	}
	e := s.line[0].queue[0]
	if wait := time.Until(e.due); wait > 0 {
		return nil, wait
	}
	e.running, e.more = true, false
	e.began, e.jitter = time.Now(), s.jitter()
	s.running++
	e.host.running++
	s.line.place(e, false, perHost(s.settings))
	return e, 0
}

func (s *Scheduler) run(e *entry) {
	s.mu.Lock()
	account := e.account
	s.mu.Unlock()
	told := s.fetch(account, func(o Outcome) time.Time { return s.settle(e, o) })
	s.mu.Lock()
	defer s.mu.Unlock()
	e.running = false
	if told {
		e.lift(e.refused)
	}
	s.running--
	e.host.running--
	s.plan(e)
	s.look()
}

// settle takes the outcome of a fetch and gives the time of the next one.
func (s *Scheduler) settle(e *entry, o Outcome) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ended, e.more, e.pause, e.firm, e.ours = time.Now(), o.More && !o.Failed, o.Pause, o.Firm, o.Ours
	switch {
	case !o.Failed:
		e.failures = 0
	case !o.Ours || e.failures == 0:
		e.failures++
	}
	if o.Interval > 0 {
		e.interval = o.Interval
	}
	e.refused, e.gone = o.Refused, o.Gone
	after := *e
	after.account = &contract.FetchAccount{ // what the store will say, unless something happens meanwhile
		Paused: e.account.Paused, Removed: e.account.Removed,
	}
	due, _, ok := after.plan(s.settings, e.host.interval)
	if !ok {
		return time.Time{}
	}
	return latest(due, time.Now())
}

// lift ends a refusal that was in force, where the store says that there is none any more: a client logged in anew, or
// the owner wants another try.
func (e *entry) lift(refused bool) {
	e.refused = false
	if refused && !e.account.Refused {
		e.failures = 0
	}
}

// plan puts an entry where it belongs in the line. Called with mu held.
func (s *Scheduler) plan(e *entry) {
	if s.settings == nil {
		return
	}
	now := time.Now()
	due, scheduled, ok := e.plan(s.settings, e.host.interval)
	switch {
	case e.index >= 0 && due.Equal(e.planned):
		due = e.due // it keeps its place in the line
	case scheduled && due.Before(now):
		e.planned, due = due, e.late(s.settings, due, now)
	default:
		e.planned = due
	}
	e.due = due
	s.line.place(e, ok && !e.running, perHost(s.settings))
	if (e.account.Removed || e.gone) && !e.running {
		delete(s.accounts, string(e.account.Id))
		if e.host.accounts--; e.host.accounts == 0 {
			delete(s.hosts, e.host.name)
		}
	}
}

// host gives a provider's host. Called with mu held.
func (s *Scheduler) host(name string) *host {
	h := s.hosts[name]
	if h == nil {
		h = &host{name: name, index: -1}
		if s.settings != nil {
			h.interval = s.settings.Provider(name).MinInterval
		}
		s.hosts[name] = h
	}
	return h
}

func (s *Scheduler) planAll() {
	for _, e := range s.accounts {
		s.plan(e)
	}
}

func (s *Scheduler) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
