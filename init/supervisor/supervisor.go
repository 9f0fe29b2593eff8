// Package supervisor starts, watches, restarts and stops the services: systemd's protocols
// (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)) from the manager's side. It is the same
// as root in PID 1 and unprivileged on a workstation; what it does is decided by each Service alone.
//
// The goroutine of Run owns all state. Everything else asks it: a function sent over requests, or a
// report of an instance. After each it looks at every service anew, starts and ends what is due, and
// sets one timer to the next deadline.
package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// maxReports is how many reports are heard in a row: a service that sends without end holds nobody up.
const maxReports = 64

// A Supervisor keeps services running.
type Supervisor struct {
	log      *slog.Logger
	launcher launcher

	requests chan func(now time.Time)
	reports  chan func(now time.Time)
	done     chan struct{} // closed when Run has ended
	once     sync.Once     // Run runs once

	// Owned by the goroutine of Run.
	units    []*unit // in the order that they were added: a service stands behind what it is After
	byName   map[string]*unit
	stopping bool
	changed  bool // something that a Status shows
	waiters  map[*waiter]struct{}
	watchers map[chan struct{}]struct{}
}

// Config is what all services have in common. Reaper and Log must be set.
type Config struct {
	Reaper *Reaper // closed by the caller, after Run
	Log    *slog.Logger
	Binary string // what every service executes; default /proc/self/exe

	// What services write to; default: the supervisor's own. The caller closes them after Run.
	Stdout, Stderr *os.File

	// Cgroup is a folder in a cgroup 2 tree that is the supervisor's alone, made when it is missing; each
	// instance gets its own cgroup in it. Needs root. Empty: none.
	Cgroup string
}

// ErrStopped is what is answered once Run is ending, or has ended.
var ErrStopped = errors.New("the supervisor is stopping")

// New makes a supervisor; Run starts it.
func New(config Config) (*Supervisor, error) {
	config.Binary = cmp.Or(config.Binary, "/proc/self/exe")
	config.Stdout = cmp.Or(config.Stdout, os.Stdout)
	config.Stderr = cmp.Or(config.Stderr, os.Stderr)
	launcher, err := newLauncher(config)
	if err != nil {
		return nil, err
	}
	return newSupervisor(launcher, config.Log), nil
}

func newSupervisor(launcher launcher, log *slog.Logger) *Supervisor {
	return &Supervisor{
		log:      log,
		launcher: launcher,
		requests: make(chan func(time.Time)),
		reports:  make(chan func(time.Time)),
		done:     make(chan struct{}),
		byName:   make(map[string]*unit),
		waiters:  make(map[*waiter]struct{}),
		watchers: make(map[chan struct{}]struct{}),
	}
}

// Run keeps the services running until ctx is done, then ends them in reverse order, and returns when
// no process is left and all sockets are closed. It may be called once.
func (s *Supervisor) Run(ctx context.Context) {
	s.once.Do(func() { s.run(ctx) })
	<-s.done
}

func (s *Supervisor) run(ctx context.Context) {
	defer close(s.done)
	defer s.launcher.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop := ctx.Done()
	for {
		s.turn(time.Now())
		if s.stopping && s.gone() {
			s.finish()
			return
		}
		if wake := s.wake(); wake.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(wake))
		}
		select {
		case <-stop:
			stop, s.stopping, s.changed = nil, true, true
			s.log.Info("services are being stopped")
		case f := <-s.requests:
			f(time.Now())
		case f := <-s.reports:
			f(time.Now())
		case <-timer.C:
		}
		s.catchUp()
	}
}

// catchUp hears all that has been reported, before the clock is looked at: a start can take long on a busy
// machine, and an instance that sent its WATCHDOG=1 in time meanwhile is not to be killed.
func (s *Supervisor) catchUp() {
	for range maxReports {
		select {
		case f := <-s.reports:
			f(time.Now())
		default:
			return
		}
	}
}

// turn does what is due.
func (s *Supervisor) turn(now time.Time) {
	for _, u := range s.units {
		s.expire(u, now)
		if s.stopping {
			s.end(u, now)
		} else {
			s.start(u, now)
		}
	}
	s.tell()
}

func (s *Supervisor) expire(u *unit, now time.Time) {
	for _, i := range u.instances() {
		if reason := i.expire(now); reason != "" {
			s.changed = true
			s.logOf(u).Warn("service killed", "pid", i.process.pid(), "reason", reason)
		}
	}
}

// start starts what u lacks and may have by now.
func (s *Supervisor) start(u *unit, now time.Time) {
	if !s.mayStart(u) {
		return
	}
	if u.current == nil && !now.Before(u.startAt) {
		if u.failed {
			u.failed = false
			u.restarts++
		}
		i, err := s.launch(u, u.service)
		if err != nil {
			u.fail(err.Error(), 0, time.Now(), s.logOf(u))
		} else {
			u.current = i
		}
	}
	if u.next != nil && u.next.instance == nil {
		i, err := s.launch(u, u.next.service)
		if err != nil {
			u.refuse(fmt.Errorf("replace service %q: %w", u.service.Name, err), s.logOf(u))
		} else {
			u.next.instance = i
		}
	}
}

func (s *Supervisor) mayStart(u *unit) bool {
	for _, name := range u.service.After {
		if !s.byName[name].ready() {
			return false
		}
	}
	return true
}

func (s *Supervisor) launch(u *unit, service Service) (*instance, error) {
	s.changed = true
	i := &instance{service: service}
	process, err := s.launcher.launch(service, func(r report) {
		s.reports <- func(now time.Time) { s.hear(u, i, r, now) } // the loop runs until each exit was reported
	})
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	i.begin(time.Now(), process) // not the turn's time: other starts may have taken long
	s.logOf(u).Info("service started", "pid", process.pid())
	return i, nil
}

func (s *Supervisor) hear(u *unit, i *instance, r report, now time.Time) {
	if r.exit != "" {
		s.changed = true
		u.ended(i, r.exit, now, s.logOf(u))
		return
	}
	was := i.state
	if !i.hear(r.message, now) {
		return
	}
	s.changed = true
	if was == Starting && i.state == Ready {
		s.logOf(u).Info("service ready", "pid", i.process.pid(), "took", i.readyAt.Sub(i.began).Round(time.Millisecond))
		if u.next != nil && u.next.instance == i {
			u.promote(now, s.logOf(u))
		}
	}
}

// end asks u's instances to end once nobody who is After it is left.
func (s *Supervisor) end(u *unit, now time.Time) {
	if u.next != nil && u.next.instance == nil {
		u.refuse(ErrStopped, s.logOf(u))
	}
	for _, other := range s.units {
		if other.isAfter(u) && !other.gone() {
			return
		}
	}
	for _, i := range u.instances() {
		s.changed = i.end(now) || s.changed
	}
}

func (s *Supervisor) gone() bool {
	for _, u := range s.units {
		if !u.gone() {
			return false
		}
	}
	return true
}

// finish closes what is held and answers who waits.
func (s *Supervisor) finish() {
	for _, u := range s.units {
		u.service.closeSockets(Service{})
	}
	for w := range s.waiters {
		w.done <- ErrStopped
	}
	s.log.Info("services are stopped")
}

func (s *Supervisor) wake() (at time.Time) {
	for _, u := range s.units {
		at = earlier(at, u.wake(!s.stopping && s.mayStart(u)))
	}
	return at
}

func (s *Supervisor) logOf(u *unit) *slog.Logger { return s.log.With("service", u.service.Name) }
