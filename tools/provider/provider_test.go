package provider

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	account  = "myaccount@gmx.de"
	password = "secret word"
	host     = "pop3.gmx.de"
)

func start(t *testing.T, cfg Config) *Provider {
	t.Helper()
	p, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(p.Log())
		}
	})
	return p
}

// client is a POP3 client of a few lines.
type client struct {
	net.Conn
	*bufio.Reader
}

func dial(t *testing.T, addr netip.AddrPort, config *tls.Config) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if config != nil {
		conn = tls.Client(conn, config)
	}
	c := &client{conn, bufio.NewReader(conn)}
	c.answer(t, "greeting")
	return c
}

func (c *client) answer(t *testing.T, command string) string {
	t.Helper()
	line, err := c.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "+OK") {
		t.Fatalf("%s: got %q, %v", command, line, err)
	}
	return strings.TrimSpace(line)
}

func (c *client) command(t *testing.T, command string) string {
	t.Helper()
	if _, err := io.WriteString(c.Conn, command+"\r\n"); err != nil {
		t.Fatal(err)
	}
	return c.answer(t, command)
}

// retrieve gives a message as it was before it was stuffed (RFC 1939 §3).
func (c *client) retrieve(t *testing.T, number int) []byte {
	t.Helper()
	c.command(t, fmt.Sprintf("RETR %d", number))
	var message bytes.Buffer
	for {
		line, err := c.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if string(line) == ".\r\n" {
			return message.Bytes()
		}
		message.Write(bytes.TrimPrefix(line, []byte(".")))
	}
}

func (c *client) login(t *testing.T) {
	t.Helper()
	c.command(t, "USER "+account)
	c.command(t, "PASS "+password)
}

func tlsConfig(p *Provider) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(p.CA()))
	return &tls.Config{RootCAs: roots, ServerName: host}
}

func TestServesWhatItWasFilledWith(t *testing.T) {
	t.Parallel()
	p := start(t, Config{Names: []string{host}})
	var want [][]byte
	for _, sample := range Samples() {
		want = append(want, sample.Message)
	}
	want = append(want, []byte("Subject: CRs\r\n\r\na\rb\r\r\n\r\r\r\n"))
	if err := p.AddUser(t.Context(), account, password); err != nil {
		t.Fatal(err)
	}
	if err := p.Fill(account, want); err != nil {
		t.Fatal(err)
	}
	uidls := ""
	for name, open := range map[string]func() *client{
		"implicit TLS": func() *client { return dial(t, p.AddrTLS(), tlsConfig(p)) },
		"plain":        func() *client { return dial(t, p.Addr(), nil) },
		"STLS": func() *client {
			c := dial(t, p.Addr(), nil)
			c.command(t, "STLS")
			secure := tls.Client(c.Conn, tlsConfig(p))
			return &client{secure, bufio.NewReader(secure)}
		},
	} {
		c := open()
		c.login(t)
		for i, message := range want {
			if got, want := c.command(t, fmt.Sprintf("LIST %d", i+1)), fmt.Sprintf("+OK %d %d", i+1, len(message)); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
			if got := c.retrieve(t, i+1); !bytes.Equal(got, message) {
				t.Errorf("%s: message %d: got %d octets that are not the %d delivered", name, i+1, len(got), len(message))
			}
		}
		all := ""
		for i := range want {
			all += c.command(t, "UIDL "+strconv.Itoa(i+1)) + "\n"
		}
		if uidls == "" {
			uidls = all
		} else if all != uidls {
			t.Errorf("%s: UIDLs changed:\n%s\nwere\n%s", name, all, uidls)
		}
		c.command(t, "QUIT")
	}

	c := dial(t, p.AddrTLS(), tlsConfig(p))
	c.login(t)
	c.command(t, "DELE 2")
	c.command(t, "QUIT")
	left, err := p.List(account)
	if err != nil {
		t.Fatal(err)
	}
	want = append(want[:1:1], want[2:]...)
	if len(left) != len(want) {
		t.Fatalf("%d messages are left, want %d", len(left), len(want))
	}
	for i := range want {
		if !bytes.Equal(left[i], want[i]) {
			t.Errorf("message %d that is left is another one", i+1)
		}
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := start(t, Config{})
	if err := p.AddUser(t.Context(), account, password); err != nil {
		t.Fatal(err)
	}
	if err := p.AddUser(t.Context(), account, "secret wort"); err != nil {
		t.Fatal(err)
	}
	if err := p.AddUser(t.Context(), "other", "words"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		began := time.Now()
		c := dial(t, p.Addr(), nil)
		c.command(t, "USER "+account)
		io.WriteString(c.Conn, "PASS "+password+"\r\n")
		line, err := c.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "-ERR [AUTH]") {
			t.Fatalf("the former password: got %q, %v", line, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("refusals are delayed: %v", took)
		}
		c.Close()
	}
	for _, bad := range []string{"", "a:b", "a\nb"} {
		if err := p.AddUser(t.Context(), bad, "x"); err == nil {
			t.Errorf("user %q was taken", bad)
		}
	}
}

func TestFillRefusesWhatPOP3CannotCarry(t *testing.T) {
	t.Parallel()
	p := start(t, Config{})
	if err := p.AddUser(t.Context(), account, password); err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{"", "Subject: x\r\n\r\nopen end", "Subject: x\n\nbare LF\n"} {
		if err := p.Fill(account, [][]byte{[]byte(message)}); err == nil {
			t.Errorf("%q was taken", message)
		}
	}
	if err := p.Fill("nobody@here", nil); err == nil {
		t.Error("mail for an unknown user was taken")
	}
	if n, err := p.Count(account); n != 0 || err != nil {
		t.Errorf("got %d mails, %v", n, err)
	}
}

func TestDownAndUp(t *testing.T) {
	t.Parallel()
	p := start(t, Config{Address: netip.MustParseAddr("127.0.0.2")})
	if err := p.AddUser(t.Context(), account, password); err != nil {
		t.Fatal(err)
	}
	if err := p.Fill(account, [][]byte{Samples()[0].Message}); err != nil {
		t.Fatal(err)
	}
	open := dial(t, p.Addr(), nil) // a session under way
	open.login(t)
	group, run, addr := p.process.cmd.Process.Pid, p.process.run, p.Addr()
	if err := p.Down(); err != nil {
		t.Fatal(err)
	}
	if left := processes(t, group); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
	if _, err := os.Stat(run); err == nil {
		t.Errorf("%s is left", run)
	}
	if c, err := net.Dial("tcp", addr.String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
	if err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Addr() != addr {
		t.Errorf("it came back on %s, not %s", p.Addr(), addr)
	}
	c := dial(t, p.Addr(), nil)
	c.login(t)
	if got := c.retrieve(t, 1); !bytes.Equal(got, Samples()[0].Message) {
		t.Errorf("got %q", got)
	}
}

// processes gives the command lines of a process group.
func processes(t *testing.T, group int) (list []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); fields[2] == strconv.Itoa(group) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			list = append(list, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return list
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := netip.MustParseAddrPort(taken.Addr().String()).Port()
	for want, cfg := range map[string]Config{
		"no loopback address": {Address: netip.MustParseAddr("192.0.2.1")},
		"a port is taken":     {Port: port},
		"no such file":        {Program: "/nowhere/dovecot"},
	} {
		p, err := Start(t.Context(), cfg)
		if err == nil {
			p.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", cfg, err, want)
		}
	}
}
