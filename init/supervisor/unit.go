package supervisor

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// A unit is a service with its instances. Owned by the loop.
type unit struct {
	service  Service // what the next start starts
	current  *instance
	next     *replacement
	draining []*instance // told to end, still there

	backoff  backoff
	startAt  time.Time // not before
	since    time.Time // since when there is no current instance
	restarts int       // starts after an end that wasn't asked for
	failed   bool      // the next start is such a one
	last     string    // how the last instance ended that wasn't told to
}

// A replacement is what Replace asked for, until it is READY or has failed.
type replacement struct {
	service  Service
	instance *instance  // nil: not started yet
	done     chan error // holds the one answer: the loop doesn't wait for who asked
}

func (u *unit) ready() bool { return u.current != nil && u.current.state == Ready }

// gone tells that no process of the service is left.
func (u *unit) gone() bool {
	return u.current == nil && (u.next == nil || u.next.instance == nil) && len(u.draining) == 0
}

// instances gives all that have a process.
func (u *unit) instances() []*instance {
	all := slices.Clone(u.draining)
	if u.current != nil {
		all = append(all, u.current)
	}
	if u.next != nil && u.next.instance != nil {
		all = append(all, u.next.instance)
	}
	return all
}

func (u *unit) isAfter(other *unit) bool { return slices.Contains(u.service.After, other.service.Name) }

// wake is when the unit next has something to do by itself; zero: only when something happens.
func (u *unit) wake(mayStart bool) (at time.Time) {
	for _, i := range u.instances() {
		at = earlier(at, i.deadline)
	}
	if mayStart && u.current == nil {
		at = earlier(at, u.startAt)
	}
	return at
}

// earlier takes a zero time for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// fail notes that the current instance ended, or couldn't be started, without being told to.
func (u *unit) fail(reason string, health time.Duration, now time.Time, log *slog.Logger) {
	delay := u.backoff.next(health)
	u.current, u.since, u.startAt = nil, now, now.Add(delay)
	u.failed, u.last = true, reason
	log.Warn("service ended", "reason", reason, "restarts", u.restarts, "next_start", delay)
}

// ended takes an exit in.
func (u *unit) ended(i *instance, exit string, now time.Time, log *slog.Logger) {
	reason := i.reason(exit)
	log = log.With("pid", i.process.pid())
	switch {
	case u.next != nil && u.next.instance == i:
		u.refuse(fmt.Errorf("replace service %q: the new instance ended before it was ready: %s", u.service.Name, reason), log)
	case i.ordered:
		log.Info("service stopped", "reason", reason)
		if u.current == i {
			u.current, u.since = nil, now
		}
		u.draining = slices.DeleteFunc(u.draining, func(d *instance) bool { return d == i })
	default:
		u.fail(reason, i.health(now), now, log)
	}
}

// refuse ends a replacement that didn't come to be; the old instance stays.
func (u *unit) refuse(err error, log *slog.Logger) {
	log.Warn("service not replaced", "err", err)
	u.next.service.closeSockets(u.service)
	u.next.done <- err
	u.next = nil
}

// promote puts the replacement, which is READY, in the place of the current instance.
func (u *unit) promote(now time.Time, log *slog.Logger) {
	old, service := u.current, u.service
	u.current, u.service = u.next.instance, u.next.service
	u.backoff, u.failed, u.startAt = backoff{}, false, time.Time{}
	// Who connects to a listener that is no more is refused, and doesn't wait in a queue that nobody serves.
	service.closeSockets(u.service)
	if old != nil {
		old.end(now)
		u.draining = append(u.draining, old)
	}
	log.Info("service replaced", "pid", u.current.process.pid())
	u.next.done <- nil
	u.next = nil
}
