package supervisor

import (
	"context"
	"time"
)

// ServiceStatus is what a service is at.
type ServiceStatus struct {
	Name     string
	State    State
	Since    time.Time // since when in State
	Restarts int       // starts after an end that nobody asked for
	PID      int       // 0: no process
	Memory   uint64    // octets it holds, its share of what is shared (PSS); 0: not known
	Draining int       // replaced instances that haven't ended yet
	Text     string    // what the service says of itself (STATUS=)
	LastEnd  string    // how it last ended without being asked to: "exit status 1", "watchdog, signal 9 (killed)"
}

// Status gives all services in the order that they were added; nil once Run has ended, or when ctx ends.
func (s *Supervisor) Status(ctx context.Context) []ServiceStatus {
	var all []ServiceStatus
	if s.ask(ctx, func(time.Time) {
		for _, u := range s.units {
			all = append(all, u.status(s.stopping))
		}
	}) != nil {
		return nil
	}
	for i := range all { // here, not in the loop: the kernel walks the whole address space for it
		all[i].Memory = memoryOf(all[i].PID)
	}
	return all
}

func (u *unit) status(stopping bool) ServiceStatus {
	status := ServiceStatus{
		Name:     u.service.Name,
		State:    Waiting,
		Since:    u.since,
		Restarts: u.restarts,
		Draining: len(u.draining),
		LastEnd:  u.last,
	}
	switch {
	case u.current != nil:
		status.State, status.Since = u.current.state, u.current.since
		status.PID, status.Text = u.current.process.pid(), u.current.text
	case stopping && u.gone():
		status.State = Stopped
	}
	return status
}
