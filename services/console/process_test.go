package console

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postroom/services/console/api"
	"postroom/services/contract"
	"postroom/services/settings"
)

// runAs tells the test's program to be the service.
const runAs = "POSTROOM_TEST_CONSOLE"

func TestMain(m *testing.M) {
	if os.Getenv(runAs) != "" {
		os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())) // whoever starts it can't know it
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}

// The service as a supervisor starts it: a passed socket, readiness, watchdog, SIGTERM.
func TestProcess(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "console")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fakeStore{settings: settings.Default(), pair: newPair(t), served: make(chan struct{}, 100)}
	serveStore(t, f, filepath.Join(dir, "store.sock"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	passed, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	hear := func(want string) {
		t.Helper()
		for {
			word := make([]byte, 100)
			n, err := notify.Read(word)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(word[:n]), want) {
				return
			}
		}
	}

	key, err := api.LoadOrMakeKey(filepath.Join(dir, "config", "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	b := &box{fakeStore: f, addr: l.Addr().String(), keys: filepath.Join(dir, "client-keys.pem")}
	b.allow(t, key)
	var log bytes.Buffer
	p := exec.Command(os.Args[0], "--store", filepath.Join(dir, "store.sock"), "--client-keys", b.keys)
	p.Env = append(os.Environ(), runAs+"=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=console.listen",
		"NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=60000")
	p.ExtraFiles = []*os.File{passed}
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
	})
	hear("READY=1")
	hear("WATCHDOG=1")
	c := b.dial(t, key)
	if err := c.Call(t.Context(), "GetStatus", &contract.GetStatusRequest{}, &contract.GetStatusResponse{}); err != nil {
		t.Error(err)
	}
	hear("WATCHDOG=1")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if err := p.Wait(); err != nil {
		t.Errorf("SIGTERM: %v: %s", err, log.String())
	}
}
