package validator

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// runAs tells the test's program to be the service.
const runAs = "POSTROOM_TEST_VALIDATOR"

func TestMain(m *testing.M) {
	if os.Getenv(runAs) != "" {
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}

// process is a validator as the supervisor starts it.
type launched struct {
	*exec.Cmd
	notify *net.UnixConn
	log    *bytes.Buffer // read it after Wait
}

func launch(t *testing.T, f *fakeStore, env ...string) *launched {
	t.Helper()
	dir, err := os.MkdirTemp(f.dir, "notify")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sock")
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { notify.Close() })
	p := &launched{exec.Command(os.Args[0], "--store", f.socket(), "--bodies", f.dir), notify, new(bytes.Buffer)}
	p.Env = append(append(os.Environ(), runAs+"=1", "NOTIFY_SOCKET="+path), env...)
	p.Stderr = p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
	})
	return p
}

// hear waits for a word to the supervisor, past others.
func (p *launched) hear(t *testing.T, want string) {
	t.Helper()
	for {
		word := make([]byte, 100)
		n, err := p.notify.Read(word)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(word[:n]), want) {
			return
		}
	}
}

// A message in whose handling the validator died twice is delivered, marked, and nothing behind it waits.
func TestDeaths(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	m, _ := hang(t, f, 1, 0)
	for range 2 {
		p := launch(t, f)
		if got := <-f.took; got != m.Id {
			t.Fatalf("taken: got message %d, want %d", got, m.Id)
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if got := <-f.died; got != m.Id {
			t.Fatalf("a death was counted for message %d, want %d", got, m.Id)
		}
	}
	f.add(t, 2, plain, 0)
	launch(t, f)
	got := map[uint64]string{}
	for range 2 {
		q := <-f.settled
		got[q.Id] = string(q.Prefix)
	}
	if want := "X-Postroom-Verdict: deliver; unchecked (handling failed)\r\n"; got[m.Id] != want {
		t.Errorf("prefix: got %q, want %q", got[m.Id], want)
	}
	if want := "X-Postroom-Verdict: deliver\r\n"; got[m.Id+1] != want {
		t.Errorf("prefix of the one behind it: got %q, want %q", got[m.Id+1], want)
	}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	p := launch(t, f, "WATCHDOG_USEC=60000")
	p.hear(t, "READY=1")
	p.hear(t, "WATCHDOG=1")
	p.hear(t, "WATCHDOG=1")
	const secret = "for your eyes only"
	f.add(t, 1, "Subject: "+secret+"\r\n\r\n"+secret+"\r\n", 0)
	<-f.settled
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.hear(t, "STOPPING=1")
	if err := p.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	log := p.log.String()
	for _, want := range []string{"service=validator", `msg="message settled"`, "message=1", "account=6163636f756e742d3030303030303031", "verdict=deliver", "took="} {
		if !strings.Contains(log, want) {
			t.Errorf("log has no %q: %s", want, log)
		}
	}
	if strings.Contains(log, secret) {
		t.Errorf("log quotes the message: %s", log)
	}
}

func TestBadCommandLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"--nonsense"}, 2},
		{[]string{"--store", "s"}, 2},
		{[]string{"--store", "s", "--bodies", "b", "more"}, 2},
		{[]string{"--store", "s", "--bodies", filepath.Join(t.TempDir(), "none")}, 1},
	} {
		cmd := exec.Command(os.Args[0], test.args...)
		cmd.Env = append(os.Environ(), runAs+"=1")
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != test.want {
			t.Errorf("%q: got %v, want exit status %d", test.args, err, test.want)
		}
	}
}
