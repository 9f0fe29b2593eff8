package supervisor

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestReplaceFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		with func(t *testing.T, s *Supervisor, l *fakeLauncher, next *fakeProcess)
		want string
	}{
		{"it ends", func(t *testing.T, s *Supervisor, l *fakeLauncher, next *fakeProcess) {
			next.exit("exit status 1")
		}, "exit status 1"},
		{"it is never ready", func(t *testing.T, s *Supervisor, l *fakeLauncher, next *fakeProcess) {
			after(5 * time.Second)
			next.exit("signal 9 (killed)")
		}, "start timeout, signal 9 (killed)"},
		{"it is replaced already", func(t *testing.T, s *Supervisor, l *fakeLauncher, next *fakeProcess) {
			if err := s.Replace(t.Context(), Service{Name: "pop3"}); err == nil || !strings.Contains(err.Error(), "already") {
				t.Errorf("a second replacement meanwhile: %v", err)
			}
			next.exit("exit status 7")
		}, "exit status 7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, launcher, stop := supervise(t, Service{Name: "pop3", StartTimeout: 5 * time.Second})
				old := launcher.last(t, "pop3")
				old.say("READY=1")
				result := make(chan error, 1)
				go func() { result <- s.Replace(t.Context(), Service{Name: "pop3", StartTimeout: 5 * time.Second}) }()
				test.with(t, s, launcher, launcher.last(t, "pop3"))
				if err := <-result; err == nil || !strings.HasSuffix(err.Error(), test.want) {
					t.Errorf("error %v, want it to end in %q", err, test.want)
				}
				status := state(t, s, "pop3")
				if old.got() != nil || status.PID != old.id || status.State != Ready || status.Restarts != 0 {
					t.Errorf("the old instance: signals %v, status %+v", old.got(), status)
				}
				stop()
				old.exit("exit status 0")
			})
		})
	}
}

func TestReplaceDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "pop3", StopTimeout: 8 * time.Second})
		old := launcher.last(t, "pop3")
		old.say("READY=1")
		result := make(chan error, 1)
		go func() { result <- s.Replace(t.Context(), Service{Name: "pop3", Args: []string{"new"}}) }()
		next := launcher.last(t, "pop3")
		if old.got() != nil {
			t.Fatal("the old instance was told to end before the new one was READY")
		}
		next.say("READY=1")
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		status := state(t, s, "pop3")
		if status.PID != next.id || status.Draining != 1 || !slices.Equal(old.got(), []syscall.Signal{syscall.SIGTERM}) {
			t.Errorf("replaced: status %+v, the old one's signals %v", status, old.got())
		}
		after(8 * time.Second)
		if got := old.got(); !slices.Equal(got, []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}) {
			t.Errorf("the old one at its stop timeout: signals %v", got)
		}
		old.exit("signal 9 (killed)")
		if status := state(t, s, "pop3"); status.Draining != 0 || status.Restarts != 0 {
			t.Errorf("drained: status %+v", status)
		}
		next.exit("exit status 1") // from now on it is the new one that is started again
		after(time.Second)
		if got := launcher.last(t, "pop3").service.Args; !slices.Equal(got, []string{"new"}) {
			t.Errorf("started again with %q, want the new arguments", got)
		}
		stop()
		launcher.last(t, "pop3").exit("exit status 0")
	})
}

func TestReplaceWhatKeepsCrashing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "pop3"})
		launcher.last(t, "pop3").exit("exit status 1")
		result := make(chan error, 1)
		go func() { result <- s.Replace(t.Context(), Service{Name: "pop3", Args: []string{"new"}}) }()
		next := launcher.last(t, "pop3")
		next.say("READY=1")
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if n := len(launcher.of("pop3")); n != 2 {
			t.Errorf("%d starts, want 2: the old description must not be started again", n)
		}
		stop()
		next.exit("exit status 0")
	})
}

func TestStopWhileReplacing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "store"}, Service{Name: "pop3", After: []string{"store"}})
		store := launcher.last(t, "store")
		result := make(chan error, 1)
		go func() { result <- s.Replace(t.Context(), Service{Name: "pop3"}) }() // waits for the store
		synctest.Wait()
		stop()
		if err := <-result; !errors.Is(err, ErrStopped) {
			t.Errorf("a replacement not started: %v, want %v", err, ErrStopped)
		}
		store.exit("exit status 0")
		s.Run(t.Context())
		if n := len(launcher.of("pop3")); n != 0 {
			t.Errorf("pop3 was started %d times, want 0", n)
		}
		if err := s.Replace(t.Context(), Service{Name: "pop3"}); !errors.Is(err, ErrStopped) {
			t.Errorf("a replacement after the end: %v, want %v", err, ErrStopped)
		}
	})
}
