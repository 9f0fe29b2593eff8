package smtp

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
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

// greeted gives a connection that EHLO was said on.
func greeted(t testing.TB, address string) *client {
	t.Helper()
	c := dial(t, address)
	c.want("220 ")
	c.ask("EHLO pc", "250 ")
	return c
}

func (c *client) logIn() {
	c.t.Helper()
	c.ask("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+testName+"\x00"+testPassword)), "235 ")
}

// startTLS goes on under TLS.
func (c *client) startTLS() {
	c.t.Helper()
	c.ask("STARTTLS", "220 ")
	if err := c.upgrade(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) upgrade() error {
	nc := tls.Client(c.nc, clientTLS)
	if err := nc.Handshake(); err != nil {
		return err
	}
	c.nc, c.in = nc, bufio.NewReader(nc)
	return nil
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, text); err != nil {
		c.t.Fatalf("send %.100q: %v", text, err)
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

// reply reads a whole reply, and gives its last line.
func (c *client) reply() string {
	c.t.Helper()
	for {
		line := c.line()
		if len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

// want reads a reply whose last line begins so.
func (c *client) want(begin string) string {
	c.t.Helper()
	line := c.reply()
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

// envelope gives MAIL and RCPT.
func (c *client) envelope() {
	c.t.Helper()
	c.ask("MAIL FROM:<a@example.org>", "250 ")
	c.ask("RCPT TO:<b@example.com>", "250 ")
}

// mail sends one, and gives the reply to its end.
func (c *client) mail(text string) string {
	c.t.Helper()
	c.envelope()
	c.ask("DATA", "354 ")
	c.send(text + ".\r\n")
	return c.reply()
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
