package smtp

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asService makes this test program the service itself, as its supervisor would start it.
const asService = "POSTROOM_TEST_SMTP"

func TestMain(m *testing.M) {
	if os.Getenv(asService) != "" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}

func TestService(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	plain, submission, implicit := listenLoopback(t), listenLoopback(t), listenLoopback(t)
	notes := listenNotify(t)
	var out bytes.Buffer
	cmd := exec.Command(os.Args[0], "--store", f.listen(t), "--bodies", t.TempDir(), "--log-level", "debug")
	cmd.Stderr = &out
	cmd.Env = append(os.Environ(), asService+"=1", "LISTEN_FDS=3", "WATCHDOG_USEC=30000",
		"LISTEN_FDNAMES="+strings.Join([]string{socketPlain, socketTLS, socketSubmission}, ":"),
		"NOTIFY_SOCKET="+notes.LocalAddr().String())
	for _, l := range []net.Listener{plain, implicit, submission} {
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, file := range cmd.ExtraFiles {
		file.Close()
	}
	t.Cleanup(func() { cmd.Process.Kill() })

	awaitNote(t, notes, "READY=1")
	awaitNote(t, notes, "WATCHDOG=1")
	for _, l := range []net.Listener{plain, submission} {
		c := greeted(t, l.Addr().String())
		c.startTLS()
		c.ask("EHLO pc", "250 ")
		c.logIn()
		if got := c.mail("\r\n"); !strings.HasPrefix(got, "250 ") {
			t.Error(got)
		}
		c.ask("QUIT", "221 ")
	}
	c := dialTLS(t, implicit.Addr().String())
	c.want("220 ")
	c.ask("EHLO pc", "250 ")
	c.envelope()

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitNote(t, notes, "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000")
	c.ask("DATA", "354 ")
	c.ask(".", "250 ")
	c.wantClosed()
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, &out)
	}
	if text := out.String(); strings.Contains(text, testPassword) || !strings.Contains(text, "service=smtp") {
		t.Errorf("log: got %s", text)
	}
	if n := len(f.mails()); n != 3 {
		t.Errorf("%d mails, want 3", n)
	}
}

func TestMainRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nonsense"}, {"--log-level", "loud"}, {"--store", "x"}} {
		if got := Main(append([]string{"smtp"}, args...)); got != 2 {
			t.Errorf("%q: exit status %d, want 2", args, got)
		}
	}
}

// listenNotify is the supervisor's end of NOTIFY_SOCKET.
func listenNotify(t *testing.T) *net.UnixConn {
	t.Helper()
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	l, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.SetReadDeadline(time.Now().Add(time.Minute))
	return l
}

// awaitNote reads until the service says a word.
func awaitNote(t *testing.T, l *net.UnixConn, want string) {
	t.Helper()
	p := make([]byte, 1<<10)
	for {
		n, err := l.Read(p)
		if err != nil {
			t.Fatalf("wait for %s: %v", want, err)
		}
		if string(p[:n]) == want {
			return
		}
	}
}
