// Package schedule says which account is fetched when: after polls, on the schedule, with back-off, one session
// an account at a time and so many at once.
package schedule

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
)

// longest is how long the main loop waits at most: then all is planned anew, since the clock may have jumped.
const longest = time.Minute

// Outcome is what a fetch came to, as far as it matters for the next one.
type Outcome struct {
	Failed  bool
	Pause   time.Duration // after a failure: the least wait before a try that nobody asked for
	Refused bool          // the provider definitely refused the login: no further try until the store says so
	More    bool          // mail was left for the limits of one session
	Gone    bool          // the store knows no such account
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
	queue    queue
	running  int
}

// New makes a scheduler; jitter gives numbers from 0 to 1, nil: random ones.
func New(fetch Fetch, jitter func() float64) *Scheduler {
	if jitter == nil {
		jitter = rand.Float64
	}
	return &Scheduler{fetch: fetch, jitter: jitter, wake: make(chan struct{}, 1), accounts: map[string]*entry{}}
}

// Apply takes settings; they hold from the next decision on.
func (s *Scheduler) Apply(settings *settings.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = settings
	s.planAll()
	s.look()
}

// Update takes what the store says of accounts.
func (s *Scheduler) Update(accounts []*contract.FetchAccount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range accounts {
		e := s.accounts[string(a.Id)]
		if e == nil {
			if a.Removed {
				continue
			}
			e = &entry{index: -1, seen: time.Now(), jitter: s.jitter()}
			s.accounts[string(a.Id)] = e
		}
		lifted := e.refused || e.account.GetRefused()
		e.account = a
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
	planned := time.Now()
	for ctx.Err() == nil {
		tick()
		if time.Since(planned) >= longest {
			planned = time.Now()
			s.mu.Lock()
			s.planAll()
			s.mu.Unlock()
		}
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
	if len(s.queue) == 0 || s.settings == nil || s.running >= s.settings.Fetch.Parallel {
		return nil, longest
	}
	e := s.queue[0]
	if wait := time.Until(e.due); wait > 0 {
		return nil, wait
	}
	s.queue.place(e, false)
	e.running, e.more = true, false
	e.began, e.jitter = time.Now(), s.jitter()
	s.running++
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
	s.plan(e)
	s.look()
}

// settle takes the outcome of a fetch and gives the time of the next one.
func (s *Scheduler) settle(e *entry, o Outcome) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ended, e.more, e.pause = time.Now(), o.More && !o.Failed, o.Pause
	if e.failures++; !o.Failed {
		e.failures = 0
	}
	e.refused, e.gone = o.Refused, o.Gone
	after := *e
	after.account = &contract.FetchAccount{ // what the store will say, unless something happens meanwhile
		Host: e.account.Host, Paused: e.account.Paused, Removed: e.account.Removed,
		LastPoll: e.account.LastPoll, LastFetch: e.account.LastFetch,
	}
	due, ok := after.plan(s.settings, time.Now())
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

// plan puts an entry where it belongs in the queue. Called with mu held.
func (s *Scheduler) plan(e *entry) {
	if s.settings == nil {
		return
	}
	due, ok := e.plan(s.settings, time.Now())
	e.due = due
	s.queue.place(e, ok && !e.running)
	if (e.account.Removed || e.gone) && !e.running {
		delete(s.accounts, string(e.account.Id))
	}
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
