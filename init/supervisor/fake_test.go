package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeLauncher stands for the operating system in tests of time: its processes do what the test says.
type fakeLauncher struct {
	mu      sync.Mutex
	started []*fakeProcess
	fail    error // what the next launches answer
}

type fakeProcess struct {
	id      int
	service Service
	tell    func(report)
	at      time.Time

	mu      sync.Mutex
	signals []syscall.Signal
}

func (l *fakeLauncher) launch(s Service, tell func(report)) (process, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &fakeProcess{id: len(l.started) + 1, service: s, tell: tell, at: time.Now()}
	l.started = append(l.started, p)
	if l.fail != nil {
		return nil, l.fail
	}
	return p, nil
}

func (l *fakeLauncher) close() {}

// of gives all processes of a service so far.
func (l *fakeLauncher) of(name string) (all []*fakeProcess) {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.started {
		if p.service.Name == name {
			all = append(all, p)
		}
	}
	return all
}

// last gives the newest process of a service.
func (l *fakeLauncher) last(t *testing.T, name string) *fakeProcess {
	t.Helper()
	all := l.of(name)
	if len(all) == 0 {
		t.Fatalf("service %s was not started", name)
	}
	return all[len(all)-1]
}

func (p *fakeProcess) pid() int { return p.id }

func (p *fakeProcess) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signals = append(p.signals, sig)
}

func (p *fakeProcess) got() []syscall.Signal {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.signals)
}

func (p *fakeProcess) say(datagram string) {
	p.tell(report{message: parseMessage([]byte(datagram))})
	synctest.Wait()
}

func (p *fakeProcess) exit(how string) {
	p.tell(report{exit: how})
	synctest.Wait()
}

// supervise runs a supervisor of fake processes in the test's bubble; stop orders its end and waits for it.
func supervise(t *testing.T, services ...Service) (*Supervisor, *fakeLauncher, context.CancelFunc) {
	t.Helper()
	launcher := &fakeLauncher{}
	s := newSupervisor(launcher, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, stop := context.WithCancel(t.Context())
	go s.Run(ctx)
	for _, service := range services {
		if err := s.Add(t.Context(), service); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	return s, launcher, stop
}

// after lets time pass in a bubble, where that takes none.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func state(t *testing.T, s *Supervisor, name string) ServiceStatus {
	t.Helper()
	for _, status := range s.Status(t.Context()) {
		if status.Name == name {
			return status
		}
	}
	t.Fatalf("no status of %s", name)
	return ServiceStatus{}
}

var errFake = errors.New("no such program")
