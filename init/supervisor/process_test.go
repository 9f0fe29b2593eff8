package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestReadyAndStatus(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	socket := listen(t, "pop3.listen")
	s.add(t, Service{Name: "pop3", Sockets: []Socket{socket}})
	s.ready(t)
	l := dial(t, socket)
	pid := l.ask(t, "pid")
	l.conn.Close() // a service that stops lets its connections end
	status := s.status(t, "pop3")
	if strconv.Itoa(status.PID) != pid || status.State != Ready || status.Text != "talking" || status.Restarts != 0 {
		t.Errorf("status %+v, the service's pid is %s", status, pid)
	}
	if status.Memory < 1<<20 || status.Memory > 1<<28 {
		t.Errorf("memory %d octets: want a few MiB", status.Memory)
	}
	s.stop()
	if _, err := net.Dial("tcp", socket.Address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect after the stop: %v, want refused", err)
	}
}

func TestCrashesAndBackoff(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	begun := time.Now()
	s.add(t, Service{Name: "crash"})
	status := s.until(t, "crash", func(s ServiceStatus) bool { return s.Restarts == 3 })
	if took := time.Since(begun); took < 700*time.Millisecond { // 100 + 200 + 400
		t.Errorf("3 restarts after %v: no back-off", took)
	}
	if status.LastEnd != "exit status 3" {
		t.Errorf("last end %q, want %q", status.LastEnd, "exit status 3")
	}
}

func TestBinaryIsMissing(t *testing.T) {
	t.Parallel()
	s := run(t, Config{Binary: "/nonexistent/postroom"})
	s.add(t, Service{Name: "pop3"})
	status := s.until(t, "pop3", func(s ServiceStatus) bool { return s.Restarts == 1 })
	if want := "start: no such file or directory"; status.LastEnd != want {
		t.Errorf("last end %q, want %q", status.LastEnd, want)
	}
}

func TestKilledByWatchdog(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	socket := listen(t, "pop3.listen")
	s.add(t, Service{Name: "pop3", Sockets: []Socket{socket}, Watchdog: 2 * time.Second})
	s.ready(t)
	l := dial(t, socket)
	l.ask(t, "hang")
	l.gone(t)
	status := s.until(t, "pop3", func(s ServiceStatus) bool { return s.Restarts == 1 && s.State == Ready })
	if want := "watchdog, signal 9 (killed)"; status.LastEnd != want {
		t.Errorf("last end %q, want %q", status.LastEnd, want)
	}
	dial(t, socket).ask(t, "pid")
}

func TestNeverReady(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	s.add(t, Service{Name: "mute", StartTimeout: 200 * time.Millisecond})
	status := s.until(t, "mute", func(s ServiceStatus) bool { return s.Restarts == 1 })
	if want := "start timeout, signal 9 (killed)"; status.LastEnd != want {
		t.Errorf("last end %q, want %q", status.LastEnd, want)
	}
}

// Over four crashes clients connect without a pause: none is refused, and each that the service hadn't
// accepted when it died is served by the next one.
func TestRestartRefusesNoConnection(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	socket := listen(t, "pop3.listen")
	s.add(t, Service{Name: "pop3", Sockets: []Socket{socket}})
	s.ready(t)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for ctx.Err() == nil {
				conn, err := net.Dial("tcp", socket.Address)
				if err != nil {
					t.Errorf("connect during restarts: %v", err)
					return
				}
				fmt.Fprintln(conn, "pid")
				bufio.NewReader(conn).ReadString('\n') // the answer, or the end by a crash
				conn.Close()
			}
		})
	}
	for n := 1; n <= 4; n++ {
		before := s.status(t, "pop3").PID
		l := dial(t, socket)
		fmt.Fprintln(l.conn, "crash")
		l.gone(t)
		// It is waiting for its back-off right now.
		if pid := dial(t, socket).ask(t, "pid"); pid == strconv.Itoa(before) {
			t.Errorf("after crash %d the pid is still %s", n, pid)
		}
	}
	cancel()
	clients.Wait()
	if status := s.until(t, "pop3", func(s ServiceStatus) bool { return s.State == Ready }); status.Restarts != 4 {
		t.Errorf("restarts %d, want 4", status.Restarts)
	}
}

func TestReplaceWithNewSockets(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	moved, kept := listen(t, "pop3.listen"), listen(t, "pop3.listen_tls")
	s.add(t, Service{Name: "pop3", Sockets: []Socket{moved, kept}})
	s.ready(t)
	held := dial(t, moved)
	old := held.ask(t, "pid")

	fresh := listen(t, "pop3.listen")
	if err := s.Replace(t.Context(), Service{Name: "pop3", Sockets: []Socket{fresh, kept}}); err != nil {
		t.Fatal(err)
	}
	if got := dial(t, fresh).ask(t, "pid"); got == old {
		t.Errorf("the new address is served by the old instance %s", old)
	}
	if got := held.ask(t, "pid"); got != old {
		t.Errorf("the held connection is served by %s, want the old instance %s", got, old)
	}
	s.until(t, "pop3", func(status ServiceStatus) bool { return status.Draining == 1 })
	held.conn.Close()
	s.until(t, "pop3", func(status ServiceStatus) bool { return status.Draining == 0 })
	if _, err := net.Dial("tcp", moved.Address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to the old address: %v, want refused", err)
	}
	if got := dial(t, kept).ask(t, "pid"); got == old {
		t.Errorf("the kept address is still served by %s", old)
	}
	if got := s.status(t, "pop3").Restarts; got != 0 {
		t.Errorf("restarts %d, want 0", got)
	}
}

func TestReplaceThatNeverGetsReady(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	socket, fresh := listen(t, "pop3.listen"), listen(t, "pop3.listen")
	s.add(t, Service{Name: "pop3", Sockets: []Socket{socket}})
	s.ready(t)
	held := dial(t, socket)
	pid := held.ask(t, "pid")
	err := s.Replace(t.Context(), Service{
		Name: "pop3", Sockets: []Socket{socket, fresh},
		Folders: &Folders{Read: []string{"/nonexistent"}}, // the stage refuses
	})
	if err == nil || !strings.Contains(err.Error(), "exit status 125") {
		t.Errorf("error %v, want the stage's exit status 125", err)
	}
	if got := held.ask(t, "pid"); got != pid {
		t.Errorf("the old instance's pid %s, want %s", got, pid)
	}
	if got := dial(t, socket).ask(t, "pid"); got != pid {
		t.Errorf("a new connection is served by %s, want %s", got, pid)
	}
	if _, err := net.Dial("tcp", fresh.Address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to the address that didn't come to be: %v, want refused", err)
	}
}

func TestStopOrder(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	s := run(t, Config{Stdout: writer})
	s.add(t, Service{Name: "store"})
	s.add(t, Service{Name: "pop3", After: []string{"store"}})
	s.add(t, Service{Name: "deaf", After: []string{"pop3"}, StopTimeout: 200 * time.Millisecond})
	s.ready(t)
	begun := time.Now()
	s.stop()
	if took := time.Since(begun); took < 200*time.Millisecond {
		t.Errorf("stopped in %v: a service that ignores SIGTERM wasn't given its time", took)
	}
	writer.Close()
	var got []string
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		got = append(got, lines.Text())
	}
	if want := []string{"deaf told to end", "pop3 told to end", "store told to end"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
