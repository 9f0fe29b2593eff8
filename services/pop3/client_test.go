package pop3

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// client speaks the protocol line by line. A test that waits too long fails.
type client struct {
	t  testing.TB
	nc net.Conn
	in *bufio.Reader
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(2 * time.Minute))
	return &client{t: t, nc: nc, in: bufio.NewReaderSize(nc, 64<<10)}
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, nc)
}

func dialTLS(t testing.TB, address string) *client {
	t.Helper()
	nc, err := tls.Dial("tcp", address, clientTLS)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, nc)
}

// loggedIn gives a connection in TRANSACTION.
func loggedIn(t testing.TB, address string) *client {
	t.Helper()
	c := dial(t, address)
	c.want("+OK")
	c.logIn()
	return c
}

func (c *client) logIn() {
	c.t.Helper()
	c.ask("USER "+testName, "+OK")
	c.ask("PASS "+testPassword, "+OK")
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, text); err != nil {
		c.t.Fatalf("send %q: %v", text, err)
	}
}

// line reads one line, without its end.
func (c *client) line() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read a line: %q, %v", line, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
}

// want reads one line that begins so.
func (c *client) want(begin string) string {
	c.t.Helper()
	line := c.line()
	if !strings.HasPrefix(line, begin) {
		c.t.Fatalf("got %q, want %q", line, begin+"…")
	}
	return line
}

func (c *client) ask(command, begin string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	return c.want(begin)
}

// text reads a multi-line reply behind its first line, un-stuffed.
func (c *client) text() string {
	c.t.Helper()
	var text strings.Builder
	begin := true // of a line that CRLF begins
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("read a text: %q, %v", line, err)
		}
		if begin && line == ".\r\n" {
			return text.String()
		}
		if begin {
			line = strings.TrimPrefix(line, ".")
		}
		text.WriteString(line)
		begin = strings.HasSuffix(line, "\r\n")
	}
}

// wantClosed reads to the end of the connection, and gives what came before.
func (c *client) wantClosed() string {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("the connection is still open")
	}
	return string(rest)
}
