package supervisor

import (
	"syscall"
	"time"
)

// State is what a service is at.
type State string

const (
	Waiting  State = "waiting"  // for what is in After, or for its back-off
	Starting State = "starting" // started, not READY yet
	Ready    State = "ready"
	Stopping State = "stopping"
	Stopped  State = "stopped" // the supervisor is stopping, and this one is done
)

// An instance is one process of a service, from its start to its exit. Owned by the loop.
type instance struct {
	service Service
	process process

	began    time.Time
	state    State     // Starting, Ready or Stopping
	since    time.Time // since when in that state
	readyAt  time.Time // zero: never READY
	deadline time.Time // when it is killed if it doesn't move on; zero: never
	killed   string    // for what it was killed; empty: it wasn't
	ordered  bool      // it was told to end
	text     string    // its STATUS=
}

// begin is called once, when the process runs.
func (i *instance) begin(now time.Time, process process) {
	i.process, i.began = process, now
	i.enter(Starting, now)
	i.deadline = now.Add(i.service.StartTimeout)
}

func (i *instance) enter(state State, now time.Time) {
	i.state, i.since = state, now
	i.deadline = time.Time{}
}

// hear takes a message in, and tells whether anything that a Status shows has changed.
func (i *instance) hear(m message, now time.Time) (changed bool) {
	if m.hasStatus && m.status != i.text {
		i.text, changed = m.status, true
	}
	if i.killed != "" {
		return changed
	}
	if m.ready && i.state == Starting {
		i.enter(Ready, now)
		i.readyAt, changed = now, true
		m.watchdog = true
	}
	if m.watchdog && i.state == Ready && i.service.Watchdog > 0 {
		i.deadline = now.Add(i.service.Watchdog)
	}
	if m.stopping && i.state != Stopping {
		i.enter(Stopping, now)
		i.deadline, changed = now.Add(i.service.StopTimeout), true
	}
	if extended := now.Add(m.extend); m.extend > 0 && i.state != Ready && extended.After(i.deadline) {
		i.deadline = extended
	}
	return changed
}

// end asks the process to end, once.
func (i *instance) end(now time.Time) (asked bool) {
	if i.ordered {
		return false
	}
	i.ordered = true
	if i.killed != "" {
		return false
	}
	if i.state != Stopping {
		i.enter(Stopping, now)
		i.deadline = now.Add(i.service.StopTimeout)
	}
	i.process.signal(syscall.SIGTERM)
	return true
}

// expire kills the process if its time is over, and says for what.
func (i *instance) expire(now time.Time) (reason string) {
	if i.deadline.IsZero() || now.Before(i.deadline) {
		return ""
	}
	switch i.state {
	case Starting:
		reason = "start timeout"
	case Ready:
		reason = "watchdog"
	case Stopping:
		reason = "stop timeout"
	}
	i.kill(reason, now)
	return reason
}

func (i *instance) kill(reason string, now time.Time) {
	i.killed = reason
	i.enter(Stopping, now) // and no deadline: nobody outlives SIGKILL
	i.process.signal(syscall.SIGKILL)
}

// health is for how long the instance was READY; it ended now.
func (i *instance) health(now time.Time) time.Duration {
	if i.readyAt.IsZero() {
		return 0
	}
	return now.Sub(i.readyAt)
}

// reason puts an exit together with what the supervisor did for it.
func (i *instance) reason(exit string) string {
	if i.killed != "" {
		return i.killed + ", " + exit
	}
	return exit
}
