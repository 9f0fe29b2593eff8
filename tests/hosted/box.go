// Package hosted runs whole boxes in hosted mode for the tests that need more than one program.
package hosted

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postroom/services/contract"
	_ "postroom/tools/command" // all of the box: a test's result isn't kept when the program that it runs has changed
)

var asShipped = flag.Bool("as-shipped", false, "boxes run without the race detector, for what is measured")

// program builds postroom once for all tests of a process, with the race detector.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "postroom-test")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "postroom")
	out, err := exec.Command("go", "build", fmt.Sprintf("-race=%v", !*asShipped), "-o", name, "postroom/tools/postroom").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build postroom: %w\n%s", err, out)
	}
	return name, nil
})

// Box is a running box. Its methods fail the test that it belongs to.
type Box struct {
	t    testing.TB
	Dir  string // holds its data folder and its settings file
	args []string
	cmd  *exec.Cmd
	log  *syncBuffer
	done chan struct{}

	sockets *sockets
	Admin   *contract.Client[contract.AdminService]
}

// Start starts a box with a settings file and returns when it is ready. It ends with the test, which fails
// when the box doesn't end in order, or when its log holds a data race or a panic.
func Start(t testing.TB, settings string) *Box {
	t.Helper()
	return StartIn(t, Folder(t), settings)
}

// Folder makes a folder for a box, and removes it with the test.
func Folder(t testing.TB) string {
	t.Helper()
	// A Unix socket's path has 107 octets at most: t.TempDir is too long.
	dir, err := os.MkdirTemp("", "box")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// StartIn is Start for a box in a folder of its own, and with further arguments.
func StartIn(t testing.TB, dir, settings string, args ...string) *Box {
	t.Helper()
	b := &Box{t: t, Dir: dir, args: args, log: &syncBuffer{}}
	b.Settings(settings)
	b.Up()
	t.Cleanup(func() {
		b.Down()
		b.check()
	})
	return b
}

// File is the settings file that the next Up applies.
func (b *Box) File() string { return filepath.Join(b.Dir, "postroom.toml") }

// Data is the data folder.
func (b *Box) Data() string { return filepath.Join(b.Dir, "data") }

// Settings writes the settings file.
func (b *Box) Settings(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.File(), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// Up starts the box and waits until it is ready.
func (b *Box) Up() {
	b.t.Helper()
	name, err := program()
	if err != nil {
		b.t.Fatal(err)
	}
	b.cmd = exec.Command(name, append([]string{"serve", "--data", b.Data(), "--settings", b.File()}, b.args...)...)
	b.cmd.Env = environment()
	b.cmd.Stderr = b.log
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	sockets := newSockets()
	b.sockets, b.done = sockets, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		sockets.read(out)
	}(b.done)
	select {
	case <-sockets.ready:
	case <-b.done:
		b.t.Fatalf("box ended before it was ready:\n%s", b.log)
	case <-time.After(time.Minute):
		b.t.Fatalf("box is not ready after a minute:\n%s", b.log)
	}
	b.Admin = contract.NewClient(filepath.Join(b.Data(), "run", "admin.sock"), contract.NewAdminClient)
}

// Down ends the box in order.
func (b *Box) Down() {
	b.t.Helper()
	if b.cmd == nil {
		return
	}
	b.Admin.Close()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { b.cmd.Process.Kill() })
	defer kill.Stop()
	<-b.done
	if err := b.cmd.Wait(); err != nil {
		b.t.Errorf("box ended with %v:\n%s", err, b.log)
	}
	b.cmd = nil
}

// Kill ends the whole box at once, as a crash does. It returns when none of its processes is left.
func (b *Box) Kill() {
	b.t.Helper()
	b.Admin.Close()
	services := b.children()
	if err := b.cmd.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	<-b.done
	b.cmd.Wait() // its status is the kill
	b.cmd = nil
	// The kernel kills them with the supervisor, and one that hangs in a call holds its sockets and files a little longer.
	for began := time.Now(); slices.ContainsFunc(services, lives); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			b.t.Fatalf("services outlive the box: %v", services)
		}
	}
}

// lives tells whether a process has not ended.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return err == nil && !bytes.HasPrefix(rest, []byte("Z"))
}

func (b *Box) check() {
	log := b.log.String()
	for _, bad := range []string{"DATA RACE", "panic:", "goroutine "} {
		if strings.Contains(log, bad) {
			b.t.Errorf("the log holds %q:\n%s", bad, log)
			return
		}
	}
	if b.t.Failed() {
		b.t.Logf("log of the box:\n%s", log)
	}
}

// Log is what the box has logged.
func (b *Box) Log() string { return b.log.String() }

// Addr gives where the box listens for a setting, such as pop3.listen_tls.
func (b *Box) Addr(setting string) netip.AddrPort {
	b.t.Helper()
	addr, ok := b.sockets.addr(setting)
	if !ok {
		b.t.Fatalf("nothing listens for %s", setting)
	}
	return addr
}

// patience is how long a test waits for what a box does by itself.
const patience = 2 * time.Minute

// UntilElsewhere waits until the box listens for a setting elsewhere than at before, and says where.
func (b *Box) UntilElsewhere(setting string, before netip.AddrPort) netip.AddrPort {
	b.t.Helper()
	late := time.After(patience)
	for {
		changed := b.sockets.changed.wait()
		if addr, ok := b.sockets.addr(setting); ok && addr != before {
			return addr
		}
		select {
		case <-changed:
		case <-late:
			b.t.Fatalf("the box listens for %s at %s still\n%s", setting, before, b.log)
		}
	}
}

// UntilLogged waits until the log is as wanted.
func (b *Box) UntilLogged(what string, wanted func(log string) bool) {
	b.t.Helper()
	late := time.After(patience)
	for {
		changed := b.log.changed.wait()
		if wanted(b.log.String()) {
			return
		}
		select {
		case <-changed:
		case <-late:
			b.t.Fatalf("waited in vain until the log has %s\n%s", what, b.log)
		}
	}
}

// Command runs the postroom command on the box.
func (b *Box) Command(args ...string) (stdout, stderr string, status int) {
	b.t.Helper()
	return b.CommandWith("", args...)
}

// CommandWith is Command with an input.
func (b *Box) CommandWith(input string, args ...string) (stdout, stderr string, status int) {
	b.t.Helper()
	name, err := program()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(environment(), "POSTROOM_DATA="+b.Data())
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// environment is what programs get: those that hold the race detector would wait for a second at their exit.
func environment() []string { return append(os.Environ(), "GORACE=atexit_sleep_ms=0") }

// CA writes the box's own certificate to a file and gives its name.
func (b *Box) CA() string {
	b.t.Helper()
	answer, err := contract.Call(b.t.Context(), b.Admin, contract.AdminService.GetFingerprint, &contract.GetFingerprintRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	name := filepath.Join(b.Dir, "box.pem")
	f, err := os.CreateTemp(b.Dir, "box.pem.*") // another client may be reading it
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = f.Write(answer.CertificatePem)
	if err := errors.Join(err, f.Close()); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		b.t.Fatal(err)
	}
	return name
}

// Status is the box's status.
func (b *Box) Status() *contract.GetStatusResponse {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	answer, err := contract.Call(ctx, b.Admin, contract.AdminService.GetStatus, &contract.GetStatusRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// Until waits until the status is as wanted; it looks again whenever the store says so.
func (b *Box) Until(what string, wanted func(*contract.GetStatusResponse) bool) {
	b.t.Helper()
	// A connection of its own: ttrpc's server goes on sending to a stream that its client has left, as long as the
	// connection lasts.
	c := contract.NewClient(filepath.Join(b.Data(), "run", "admin.sock"), contract.NewAdminClient)
	defer c.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	queues := contract.Watch(ctx, c, contract.Topic_TOPIC_QUEUES)
	accounts := contract.Watch(ctx, c, contract.Topic_TOPIC_ACCOUNTS)
	conditions := contract.Watch(ctx, c, contract.Topic_TOPIC_CONDITIONS)
	for {
		select {
		case <-queues:
		case <-accounts:
		case <-conditions:
		case <-ctx.Done():
			b.t.Fatalf("waited in vain for %s; status: %v\n%s", what, b.Status(), b.log)
		}
		if wanted(b.Status()) {
			return
		}
	}
}

// Waiting tells whether an account has so many messages in its Out Queue, and none in the In Queue.
func Waiting(account string, messages uint64) func(*contract.GetStatusResponse) bool {
	return func(s *contract.GetStatusResponse) bool {
		for _, q := range s.Queues {
			if q.Queue == contract.QueueIn && q.Messages > 0 {
				return false
			}
		}
		for _, a := range s.Accounts {
			if a.Account == account {
				return a.Waiting == messages
			}
		}
		return false
	}
}

// Pid gives the process of a service, 0 while it has none.
func (b *Box) Pid(service string) int {
	b.t.Helper()
	for _, pid := range b.children() {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it ended
		}
		if argv0, _, _ := bytes.Cut(cmdline, []byte{0}); string(argv0) == service {
			return pid
		}
	}
	return 0
}

// children gives the processes of the services.
func (b *Box) children() (pids []int) {
	b.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		fields := strings.Fields(string(rest))
		if len(fields) < 2 || fields[1] != strconv.Itoa(b.cmd.Process.Pid) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			b.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// KillService ends one service's process at once, and tells whether there was one.
func (b *Box) KillService(service string) bool {
	b.t.Helper()
	pid := b.Pid(service)
	return pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
}
