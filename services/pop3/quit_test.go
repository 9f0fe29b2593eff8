package pop3

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
)

func TestPipelining(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	b := start(t, f)
	c := dial(t, b.plain)
	c.want("+OK")
	c.send("USER " + testName + "\r\nPASS " + testPassword + "\r\nSTAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\nQUIT\r\nNOOP\r\n")
	for _, want := range []string{"+OK", "+OK", "+OK 1 ", "+OK 1 messages"} {
		c.want(want)
	}
	c.text()
	c.want("+OK")
	c.text()
	c.want("+OK deleted")
	c.want("+OK bye")
	if rest := c.wantClosed(); rest != "" {
		t.Errorf("behind QUIT came %q", rest)
	}
	if got := ids(<-b.polls); got != "1" {
		t.Errorf("leaves: got %q, want 1", got)
	}
	for _, want := range []string{"login accepted", "delivered", "account=" + testName, "messages=1"} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, b.log)
		}
	}
}

// Replies to pipelined commands leave together (RFC 2449 §6.6).
func TestPipelinedRepliesInOneWrite(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	server := newTestServer(t, f, f.dir, new(logBuffer))
	server.settings.Store(f.settings)
	near, far := net.Pipe()
	go newSession(server, far).serve(t.Context(), t.Context(), false)
	c := newClient(t, near)
	c.want("+OK")
	c.send("CAPA\r\nNOOP\r\nUSER a@b\r\nCAPA\r\n")
	p := make([]byte, 4<<10) // a read from a pipe gives one write
	n, err := near.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(p[:n]), "\r\n.\r\n"); got != 2 {
		t.Errorf("first write: got %q, want all four replies", p[:n])
	}
}

// A client that is gone before it got what it asked for has retrieved nothing.
func TestUnsentMessageDoesNotLeave(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	server := newTestServer(t, f, f.dir, new(logBuffer))
	server.settings.Store(f.settings)
	near, far := net.Pipe()
	go newSession(server, far).serve(t.Context(), t.Context(), false)
	c := newClient(t, near)
	c.want("+OK")
	c.logIn()
	c.send("RETR 1\r\nQUIT\r\n")
	near.Close()
	if got := ids(<-f.polls); got != "" {
		t.Errorf("leaves: got %q, want nothing", got)
	}
	server.work.Wait()
}

func TestQuitWithoutStore(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	f.end = func(_ context.Context, q *contract.EndPollRequest) error {
		if len(q.Leave) > 0 {
			return errors.Join(errors.New("sync of notes"), contract.ErrUnavailable)
		}
		return nil
	}
	b := start(t, f)
	c := loggedIn(t, b.plain)
	c.ask("DELE 1", "+OK")
	c.ask("QUIT", "-ERR [SYS/TEMP] ")
	c.wantClosed()
	if got := ids(<-b.polls); got != "" {
		t.Errorf("leaves: got %q, want nothing", got)
	}
	loggedIn(t, b.plain).ask("STAT", "+OK 1 ")
}

// A client may log in again as soon as it has read the reply to QUIT.
func TestLockIsFreeBeforeReplyToQuit(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	for range 20 {
		c := loggedIn(t, b.plain)
		c.send("QUIT\r\n")
		c.want("+OK")
		if n := b.server.locks.len(); n != 0 {
			t.Fatalf("%d accounts are held behind the reply to QUIT", n)
		}
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	first := loggedIn(t, b.plain)
	second := dial(t, b.plain)
	second.want("+OK")
	second.ask("USER "+testName, "+OK")
	began := time.Now()
	second.ask("PASS "+testPassword, "-ERR [IN-USE] ")
	if took := time.Since(began); took < lockWait {
		t.Errorf("refused after %v, want a wait of %v", took, lockWait)
	}
	second.ask("USER "+testName, "+OK")
	second.send("PASS " + testPassword + "\r\n")
	first.nc.Close() // which ends the wait
	second.want("+OK")
}

func TestStop(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: big\r\n\r\n"+strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef\r\n", 400_000))
	b := start(t, f)
	idler := dial(t, b.plain)
	idler.want("+OK")
	busy := loggedIn(t, b.plain)
	busy.ask("DELE 1", "+OK")
	busy.ask("RSET", "+OK")
	busy.ask("RETR 1", "+OK") // more than the sockets hold, so it is under way when the stop comes
	b.stop()
	if rest := idler.wantClosed(); rest != "" {
		t.Errorf("an idle client got %q", rest)
	}
	if _, err := net.Dial("tcp", b.plain); err == nil {
		t.Error("a connection was accepted behind the stop")
	}
	if text := busy.text(); len(text) != 20_000_000+16+len(testPrefix) {
		t.Errorf("the message that was under way has %d octets", len(text))
	}
	if rest := busy.wantClosed(); rest != "" {
		t.Errorf("behind the message came %q", rest)
	}
	<-b.stopped
	if got := ids(<-b.polls); got != "" {
		t.Errorf("leaves: got %q, want nothing", got)
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	b.change(func(in *settings.Settings) { in.POP3.MaxConnections = 2 })
	first, second := dial(t, b.plain), dialTLS(t, b.tls)
	first.want("+OK")
	second.want("+OK")
	c := dial(t, b.plain)
	c.want("-ERR [SYS/TEMP] too many connections, try")
	c.wantClosed()
	if c, err := tls.Dial("tcp", b.tls, clientTLS); err == nil {
		c.Close()
		t.Error("a third connection is taken")
	}
	second.ask("QUIT", "+OK")
	second.wantClosed()
	// The place is free a moment after the connection has ended.
	for tries := 0; ; tries++ {
		c := dial(t, b.plain)
		if strings.HasPrefix(c.line(), "+OK") {
			break
		}
		if tries == 1000 {
			t.Fatal("the place isn't free")
		}
	}
	b.change(func(in *settings.Settings) { in.POP3.MaxConnections = 3 })
	dial(t, b.plain).want("+OK")
}

func TestTooManyConnectionsFromAnAddress(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	b.change(func(in *settings.Settings) { in.POP3.MaxConnectionsPerAddress = 1 })
	dial(t, b.plain).want("+OK")
	c := dial(t, b.plain)
	c.want("-ERR [SYS/TEMP] too many connections from your address")
	c.wantClosed()
	nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", b.plain)
	if err != nil {
		t.Fatal(err)
	}
	newClient(t, nc).want("+OK")
}

func TestPanicEndsOneConnection(t *testing.T) {
	t.Parallel()
	f, log := newFakeStore(t), new(logBuffer)
	server := newTestServer(t, f, f.dir, log)
	server.settings.Store(f.settings)
	near, far := net.Pipe()
	s := newSession(server, far)
	s.state = transaction // and no mailbox: a bug
	served := make(chan struct{})
	go func() { defer close(served); s.serve(t.Context(), t.Context(), false) }()
	c := newClient(t, near)
	c.want("+OK")
	c.send("STAT\r\n")
	c.wantClosed()
	<-served
	if text := log.String(); !strings.Contains(text, "panic in a connection") || !strings.Contains(text, "stat") {
		t.Errorf("log of a panic: got %s", text)
	}
}
