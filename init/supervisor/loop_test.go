package supervisor

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffNeverGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "pop3"})
		for range 500 {
			launcher.last(t, "pop3").exit("exit status 1")
			after(lastDelay)
		}
		all := launcher.of("pop3")
		want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
		last := all[0].at
		for i, ms := range want {
			// Each ended lastDelay after the one before was ended, so the rest of that is waiting for the test.
			delay := all[i+1].at.Sub(last)
			if delay != ms*time.Millisecond {
				t.Errorf("start %d came %v after the end, want %v", i+1, delay, ms*time.Millisecond)
			}
			last = last.Add(lastDelay)
		}
		if len(all) != 501 {
			t.Errorf("500 ends: %d starts, want 501", len(all))
		}
		status := state(t, s, "pop3")
		if status.Restarts != 500 || status.LastEnd != "exit status 1" || status.State != Starting {
			t.Errorf("status after 500 ends: %+v", status)
		}
		stop()
		launcher.last(t, "pop3").exit("exit status 0")
	})
}

func TestBackoffBeginsAgainAfterHealth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ready time.Duration // READY for so long before the third end
		want  time.Duration
	}{
		{0, 400 * time.Millisecond},
		{59 * time.Second, 400 * time.Millisecond},
		{60 * time.Second, 100 * time.Millisecond},
		{time.Hour, 100 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, launcher, stop := supervise(t, Service{Name: "pop3"})
			for range 2 {
				launcher.last(t, "pop3").exit("exit status 1")
				after(time.Second)
			}
			p := launcher.last(t, "pop3")
			p.say("READY=1")
			after(test.ready)
			p.exit("signal 11 (segmentation fault)")
			ended := time.Now()
			after(time.Second)
			if got := launcher.last(t, "pop3").at.Sub(ended); got != test.want {
				t.Errorf("READY for %v: started again after %v, want %v", test.ready, got, test.want)
			}
			stop()
			launcher.last(t, "pop3").exit("exit status 0")
		})
	}
}

func TestLaunchThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t)
		launcher.fail = errFake
		if err := s.Add(t.Context(), Service{Name: "pop3"}); err != nil {
			t.Fatal(err)
		}
		after(250 * time.Millisecond)
		launcher.mu.Lock()
		launcher.fail = nil
		launcher.mu.Unlock()
		after(time.Second)
		if n := len(launcher.of("pop3")); n != 3 { // at 0, 100 and 300 ms
			t.Errorf("%d starts, want 3", n)
		}
		if got := state(t, s, "pop3"); got.Restarts != 2 || got.LastEnd != "start: no such program" {
			t.Errorf("status: %+v", got)
		}
		stop()
		launcher.last(t, "pop3").exit("exit status 0")
	})
}

func TestStartTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "store", StartTimeout: 5 * time.Second})
		p := launcher.last(t, "store")
		after(4 * time.Second)
		p.say("EXTEND_TIMEOUT_USEC=3000000\nSTATUS=index: 40 %") // to second 7
		after(2900 * time.Millisecond)
		if got := p.got(); got != nil {
			t.Fatalf("at second 6.9 of an extended start: signals %v", got)
		}
		if got := state(t, s, "store"); got.Text != "index: 40 %" || got.State != Starting {
			t.Errorf("status: %+v", got)
		}
		after(200 * time.Millisecond)
		if got := p.got(); !slices.Equal(got, []syscall.Signal{syscall.SIGKILL}) {
			t.Fatalf("after the start's timeout: signals %v, want SIGKILL", got)
		}
		p.say("READY=1") // too late
		p.exit("signal 9 (killed)")
		if got := state(t, s, "store"); got.State != Waiting || got.LastEnd != "start timeout, signal 9 (killed)" {
			t.Errorf("status: %+v", got)
		}
		stop()
	})
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "pop3", StartTimeout: time.Minute, Watchdog: 10 * time.Second})
		p := launcher.last(t, "pop3")
		after(20 * time.Second) // it isn't watched before it is READY
		p.say("READY=1")
		for range 5 {
			after(9 * time.Second)
			p.say("WATCHDOG=1")
		}
		if got := p.got(); got != nil {
			t.Fatalf("a watchdog fed in time: signals %v", got)
		}
		after(9999 * time.Millisecond)
		if got := p.got(); got != nil {
			t.Fatalf("1 ms before the watchdog: signals %v", got)
		}
		after(time.Millisecond)
		if got := p.got(); !slices.Equal(got, []syscall.Signal{syscall.SIGKILL}) {
			t.Fatalf("a missed watchdog: signals %v, want SIGKILL", got)
		}
		p.exit("signal 9 (killed)")
		after(100 * time.Millisecond)
		if got := state(t, s, "pop3"); got.Restarts != 1 || got.LastEnd != "watchdog, signal 9 (killed)" {
			t.Errorf("status: %+v", got)
		}
		stop()
		launcher.last(t, "pop3").exit("exit status 0")
	})
}

func TestStoppingByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "pop3", Watchdog: time.Second, StopTimeout: 4 * time.Second})
		p := launcher.last(t, "pop3")
		p.say("READY=1")
		p.say("STOPPING=1")
		if got := state(t, s, "pop3").State; got != Stopping {
			t.Errorf("state %s, want %s", got, Stopping)
		}
		after(3 * time.Second) // no watchdog any more
		if got := p.got(); got != nil {
			t.Fatalf("3 s into its stop: signals %v", got)
		}
		after(time.Second)
		if got := p.got(); !slices.Equal(got, []syscall.Signal{syscall.SIGKILL}) {
			t.Fatalf("4 s into its stop: signals %v, want SIGKILL", got)
		}
		p.exit("signal 9 (killed)")
		after(100 * time.Millisecond)
		if n := len(launcher.of("pop3")); n != 2 {
			t.Errorf("%d starts, want 2", n)
		}
		stop()
		launcher.last(t, "pop3").exit("exit status 0")
	})
}

func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t,
			Service{Name: "store"},
			Service{Name: "pop3", After: []string{"store"}, StopTimeout: 3 * time.Second},
			Service{Name: "fetcher", After: []string{"store"}})
		if launcher.of("pop3") != nil || launcher.of("fetcher") != nil {
			t.Fatal("a service was started before the store was READY")
		}
		if got := state(t, s, "pop3").State; got != Waiting {
			t.Errorf("pop3 is %s, want %s", got, Waiting)
		}
		store := launcher.last(t, "store")
		store.say("READY=1")
		pop3, fetcher := launcher.last(t, "pop3"), launcher.last(t, "fetcher")
		ready := make(chan error, 1)
		go func() { ready <- s.WaitReady(t.Context()) }()
		pop3.say("READY=1")
		select {
		case <-ready:
			t.Fatal("all ready before fetcher is")
		default:
		}
		fetcher.say("READY=1")
		if err := <-ready; err != nil {
			t.Fatal(err)
		}

		stop()
		if store.got() != nil || len(pop3.got()) != 1 || len(fetcher.got()) != 1 {
			t.Fatalf("at the stop: store %v, pop3 %v, fetcher %v", store.got(), pop3.got(), fetcher.got())
		}
		fetcher.exit("exit status 0")
		if store.got() != nil {
			t.Fatal("the store was told to end before pop3 had")
		}
		if err := s.Add(t.Context(), Service{Name: "console"}); !errors.Is(err, ErrStopped) {
			t.Errorf("a service added while stopping: %v, want %v", err, ErrStopped)
		}
		after(3 * time.Second)
		if got := pop3.got(); !slices.Equal(got, []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}) {
			t.Fatalf("pop3 at its stop timeout: signals %v", got)
		}
		pop3.exit("signal 9 (killed)")
		if got := store.got(); !slices.Equal(got, []syscall.Signal{syscall.SIGTERM}) {
			t.Fatalf("the store, last: signals %v", got)
		}
		store.exit("exit status 0")
		s.Run(t.Context()) // waits for the end
		if s.Status(t.Context()) != nil {
			t.Error("a status after the end")
		}
	})
}

func TestServiceWaitsForWhatItIsAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, launcher, stop := supervise(t, Service{Name: "store"}, Service{Name: "pop3", After: []string{"store"}})
		launcher.last(t, "store").say("READY=1")
		launcher.last(t, "store").exit("exit status 2")
		launcher.last(t, "pop3").exit("exit status 1")
		after(10 * time.Second)
		if n := len(launcher.of("pop3")); n != 1 {
			t.Fatalf("pop3 was started %d times while the store wasn't READY, want 1", n)
		}
		launcher.last(t, "store").say("READY=1")
		if n := len(launcher.of("pop3")); n != 2 {
			t.Errorf("pop3 was started %d times, want 2", n)
		}
		stop()
		launcher.last(t, "pop3").exit("exit status 0")
		launcher.last(t, "store").exit("exit status 0")
	})
}

func TestWatchMerges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "pop3"})
		changes, end, err := s.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-changes // it begins with what is there
		p := launcher.last(t, "pop3")
		p.say("READY=1")
		p.say("STATUS=a")
		p.say("STATUS=b")
		<-changes
		p.say("STATUS=b") // nothing new
		p.say("X_UNKNOWN=1")
		select {
		case <-changes:
			t.Error("a second word for changes that were merged, or for none")
		default:
		}
		end()
		stop()
		p.exit("exit status 0")
	})
}
