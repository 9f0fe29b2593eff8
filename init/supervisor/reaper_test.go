package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRun(t *testing.T) {
	t.Parallel()
	reaper := NewReaper(false)
	t.Cleanup(reaper.Close)
	for _, test := range []struct {
		script string
		exit   Exit
		output string
	}{
		{"echo out; echo err >&2", Exit{}, "out\nerr\n"},
		{"exit 4", Exit{Status: 4}, ""},
		{"kill -TERM $$", Exit{Status: -1, Signal: syscall.SIGTERM}, ""},
		{"cat", Exit{}, ""}, // standard input is empty
		{"head -c 1200000 /dev/zero | tr '\\0' x", Exit{}, strings.Repeat("x", maxOutput)},
	} {
		exit, output, err := reaper.Run(t.Context(), "sh", "-c", test.script)
		if err != nil || exit != test.exit || string(output) != test.output {
			t.Errorf("%s: %v, %d octets of output, error %v: want %v, %d octets", test.script, exit, len(output), err, test.exit, len(test.output))
		}
	}
	if _, _, err := reaper.Run(t.Context(), "postroom-no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a missing program: %v, want %v", err, exec.ErrNotFound)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	reaper := NewReaper(false)
	t.Cleanup(reaper.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	exit, _, err := reaper.Run(ctx, "cat", "/dev/zero")
	if !errors.Is(err, context.DeadlineExceeded) || exit.Signal != syscall.SIGKILL {
		t.Errorf("%v, error %v: want it killed for its deadline", exit, err)
	}
}

// Many short processes at once: each exit comes to who started it, from two reapers and os/exec in one process.
func TestReaperHandsOutExits(t *testing.T) {
	t.Parallel()
	first, second := NewReaper(false), NewReaper(false)
	t.Cleanup(first.Close)
	t.Cleanup(second.Close)
	var all sync.WaitGroup
	for n := range 60 {
		script := fmt.Sprintf("exit %d", n)
		all.Go(func() {
			if n%3 == 0 {
				var ended *exec.ExitError
				if err := exec.Command("sh", "-c", script).Run(); n > 0 && (!errors.As(err, &ended) || ended.ExitCode() != n) {
					t.Errorf("os/exec, %s: %v", script, err)
				}
				return
			}
			reaper := []*Reaper{first, second}[n%2]
			if exit, _, err := reaper.Run(t.Context(), "sh", "-c", script); err != nil || exit.Status != n {
				t.Errorf("%s: %v, error %v", script, exit, err)
			}
		})
	}
	all.Wait()
}

func TestSignalAfterTheEnd(t *testing.T) {
	t.Parallel()
	reaper := NewReaper(false)
	t.Cleanup(reaper.Close)
	p, err := reaper.Start("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if exit := <-p.Done(); !exit.OK() {
		t.Errorf("true: %v", exit)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal after the end: %v, want %v", err, os.ErrProcessDone)
	}
}

// As PID 1 does, the program "orphans" inherits processes whose parents end, and reaps them.
func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	reaper := NewReaper(false)
	t.Cleanup(reaper.Close)
	exit, output, err := reaper.Run(t.Context(), link(t, "orphans"), link(t, "parent"))
	if err != nil || !exit.OK() {
		t.Errorf("%v, error %v, output %q", exit, err, output)
	}
}

// orphans starts args[0] ("parent"), which leaves a child behind, and ends when that child was reaped.
func orphans(args []string) int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Println(err)
		return 1
	}
	reaper := NewReaper(true)
	defer reaper.Close()
	// The orphan holds the other end of this pipe until it ends.
	reader, writer, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p, err := reaper.Start(args[0], []string{"parent"}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2, writer.Fd()}})
	writer.Close()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if exit := <-p.Done(); exit.Status != 5 {
		fmt.Println("parent:", exit)
		return 1
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var orphan int
	fmt.Sscan(line, &orphan)
	io.Copy(io.Discard, reader) // it has ended, or is just about to
	pidfd, err := unix.PidfdOpen(orphan, 0)
	if err == nil {
		unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1) // it is a zombie now, if it is anything
	}
	// One more exit makes the reaper look, if it hadn't: with Signal's answer it has reaped all that there was.
	last, err := reaper.Start("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	<-last.Done()
	last.Signal(0)
	if err := unix.Kill(orphan, 0); err != unix.ESRCH { // a zombie still takes signal 0
		fmt.Println("the orphan is still there:", err)
		return 1
	}
	return 0
}

// parent ends at once, and leaves a child that ends a moment later.
func parent([]string) int {
	child := exec.Command("sh", "-c", "echo $$ >&3; exec sleep 0.1")
	child.ExtraFiles = []*os.File{os.NewFile(3, "pipe")}
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 5
}

// Services end with their supervisor, even when that is killed.
func TestServicesDieWithTheSupervisor(t *testing.T) {
	t.Parallel()
	socket := killManager(t)
	if _, err := ListenUnix("pop3.listen", socket, -1); err != nil {
		t.Errorf("the dead service's socket isn't free: %v", err)
	}
}

// killManager kills a supervisor in a process of its own, and returns when its service has ended.
func killManager(t *testing.T, args ...string) (socket string) {
	t.Helper()
	reaper := NewReaper(false)
	t.Cleanup(reaper.Close)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	socket = t.TempDir() + "/pop3.sock"
	p, err := reaper.Start("/proc/self/exe", append([]string{"manager", socket}, args...),
		&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, writer.Fd(), 2}})
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	if word, err := bufio.NewReader(reader).ReadString('\n'); err != nil || word != "ready\n" {
		t.Fatalf("the supervisor says %q, error %v", word, err)
	}
	l := dial(t, Socket{Name: "pop3", Address: socket})
	var pid int
	fmt.Sscan(l.ask(t, "pid"), &pid)
	service, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(service)
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	l.gone(t)
	// Its connections close one by one while it dies: only then all its files are closed.
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(service), Events: unix.POLLIN}}, -1); err != nil && err != unix.EINTR {
		t.Fatal(err)
	}
	return socket
}

// manager supervises one service until it is killed.
func manager(args []string) int {
	reaper := NewReaper(false)
	s, err := New(Config{Reaper: reaper, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Stdout: os.Stderr})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	socket, err := ListenUnix("pop3.listen", args[0], -1)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	service := Service{Name: "pop3", Sockets: []Socket{socket}}
	if len(args) > 1 {
		fmt.Sscan(args[1], &service.UID)
	}
	ctx := context.Background()
	go s.Run(ctx)
	if err := s.Add(ctx, service); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := s.WaitReady(ctx); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	select {}
}
