package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ask runs f in the goroutine of Run.
func (s *Supervisor) ask(ctx context.Context, f func(now time.Time)) error {
	answered := make(chan struct{})
	request := func(now time.Time) {
		defer close(answered)
		f(now)
	}
	select {
	case s.requests <- request:
		<-answered
		return nil
	case <-s.done:
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Add starts a service as soon as those in After are READY, and keeps it running. It doesn't wait
// for that. What is in After must have been added before. Works once Run runs.
func (s *Supervisor) Add(ctx context.Context, service Service) error {
	var refused error
	err := s.ask(ctx, func(now time.Time) { refused = s.add(service.withDefaults(), now) })
	if err != nil {
		service.closeSockets(Service{})
	}
	if err := cmp.Or(err, refused); err != nil {
		return fmt.Errorf("add service %q: %w", service.Name, err)
	}
	return nil
}

func (s *Supervisor) add(service Service, now time.Time) error {
	if err := s.mayAdd(service); err != nil {
		var there Service
		if u := s.byName[service.Name]; u != nil {
			there = u.service
		}
		service.closeSockets(there)
		return err
	}
	u := &unit{service: service, since: now}
	s.units = append(s.units, u)
	s.byName[service.Name] = u
	s.changed = true
	return nil
}

func (s *Supervisor) mayAdd(service Service) error {
	if s.stopping {
		return ErrStopped
	}
	if s.byName[service.Name] != nil {
		return errors.New("it is there already")
	}
	for _, name := range service.After {
		if s.byName[name] == nil {
			return fmt.Errorf("it starts after %q, which is not there", name)
		}
	}
	return service.validate()
}

// Replace starts a second instance of a service, by its new description and with its new sockets. When that is
// READY it takes the place of the old one, which is told to end and drains; Replace returns nil. If it never gets
// READY it is ended, the old instance stays as it is, and the error says why. Sockets that both hold stay open;
// those of the old one alone are closed when the new one is READY. After is as it was, whatever the new description says.
//
// When ctx ends first, Replace returns, and what it began goes on.
func (s *Supervisor) Replace(ctx context.Context, service Service) error {
	done := make(chan error, 1)
	var refused error
	// Asked in any case: only the loop knows which sockets the old instance shares. It answers at once.
	err := s.ask(context.WithoutCancel(ctx), func(time.Time) { refused = s.replace(service.withDefaults(), done) })
	if err != nil { // Run has ended, the old instance's sockets are closed
		service.closeSockets(Service{})
		return fmt.Errorf("replace service %q: %w", service.Name, err)
	}
	if refused != nil {
		return fmt.Errorf("replace service %q: %w", service.Name, refused)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Supervisor) replace(service Service, done chan error) error {
	u := s.byName[service.Name]
	if u == nil {
		service.closeSockets(Service{})
		return errors.New("it is not there")
	}
	var err error
	switch {
	case s.stopping:
		err = ErrStopped
	case u.next != nil:
		err = errors.New("it is being replaced already")
	default:
		err = service.validate()
	}
	if err != nil {
		service.closeSockets(u.service)
		return err
	}
	service.After = u.service.After
	u.next = &replacement{service: service, done: done}
	return nil
}

// A waiter waits until some services are READY at once.
type waiter struct {
	names []string // none: all that there are
	done  chan error
}

// WaitReady waits until the named services are READY, all at once; without names, all that were added.
func (s *Supervisor) WaitReady(ctx context.Context, names ...string) error {
	w := &waiter{names: names, done: make(chan error, 1)}
	if err := s.ask(ctx, func(time.Time) { s.wait(w) }); err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		s.ask(context.WithoutCancel(ctx), func(time.Time) { delete(s.waiters, w) }) // or Run has ended
		return context.Cause(ctx)
	}
}

func (s *Supervisor) wait(w *waiter) {
	if s.stopping {
		w.done <- ErrStopped
		return
	}
	for _, name := range w.names {
		if s.byName[name] == nil {
			w.done <- fmt.Errorf("wait until service %q is ready: it is not there", name)
			return
		}
	}
	s.waiters[w] = struct{}{}
}

func (s *Supervisor) satisfied(w *waiter) bool {
	for _, u := range s.units {
		if (len(w.names) == 0 || slices.Contains(w.names, u.service.Name)) && !u.ready() {
			return false
		}
	}
	return len(s.units) > 0
}

// Watch gives a channel that says "look again": at Status. It says so at once, and then after each change, several
// merged into one. The function ends it.
func (s *Supervisor) Watch(ctx context.Context) (changes <-chan struct{}, stop func(), err error) {
	watcher := make(chan struct{}, 1) // one says it all
	watcher <- struct{}{}
	if err := s.ask(ctx, func(time.Time) { s.watchers[watcher] = struct{}{} }); err != nil {
		return nil, nil, err
	}
	return watcher, func() {
		s.ask(context.WithoutCancel(ctx), func(time.Time) { delete(s.watchers, watcher) }) // or Run has ended
	}, nil
}

// tell answers those who wait, and tells those who watch.
func (s *Supervisor) tell() {
	for w := range s.waiters {
		if s.satisfied(w) {
			delete(s.waiters, w)
			w.done <- nil
		}
	}
	if !s.changed {
		return
	}
	s.changed = false
	for watcher := range s.watchers {
		select {
		case watcher <- struct{}{}:
		default: // it hasn't looked since the last one
		}
	}
}
