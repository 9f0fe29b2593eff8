package pop3

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"postroom/services/contract"
)

// Whatever one connection does, it gets a clear reply or its end, and everyone else is served meanwhile.
func TestFloods(t *testing.T) {
	t.Parallel()
	garbage := strings.Repeat("\x00\xff{}<>\r\n", 100_000)
	endless := strings.Repeat("x", 1<<20)
	type flood struct {
		name string
		run  func(t *testing.T, b *box) string // gives what was answered before the end
	}
	plain := func(behind func(*client)) func(*testing.T, *box) string {
		return func(t *testing.T, b *box) string {
			c := dial(t, b.plain)
			c.want("+OK")
			behind(c)
			return c.wantClosed()
		}
	}
	underTLS := func(octets string) func(*testing.T, *box) string {
		return func(t *testing.T, b *box) string {
			c := dialTLS(t, b.tls)
			c.want("+OK")
			go io.WriteString(c.nc, octets) // fails once the server has enough
			return c.wantClosed()
		}
	}
	for _, f := range []flood{
		{"garbage before the login", plain(func(c *client) { go io.WriteString(c.nc, garbage) })},
		{"garbage behind the login", plain(func(c *client) {
			c.ask("USER other@pop3.example.org", "+OK")
			c.ask("PASS "+testPassword, "+OK")
			go io.WriteString(c.nc, garbage)
		})},
		{"a line without end", plain(func(c *client) { go io.WriteString(c.nc, endless) })},
		{"a response without end", plain(func(c *client) {
			c.ask("AUTH PLAIN", "+ ")
			go io.WriteString(c.nc, endless)
		})},
		{"garbage under TLS", underTLS(garbage)},
		{"a line without end under TLS", underTLS(endless)},
		{"garbage in place of TLS", func(t *testing.T, b *box) string {
			c := dial(t, b.tls)
			go io.WriteString(c.nc, garbage)
			return c.wantClosed()
		}},
		{"garbage within TLS", func(t *testing.T, b *box) string {
			nc, err := net.Dial("tcp", b.tls)
			if err != nil {
				t.Fatal(err)
			}
			under := tls.Client(nc, clientTLS)
			if err := under.Handshake(); err != nil {
				t.Fatal(err)
			}
			c := newClient(t, nc)
			go io.WriteString(nc, garbage)
			return c.wantClosed()
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, twoAccounts(t))
			witness := loggedIn(t, b.plain)
			answered := f.run(t, b)
			if n := strings.Count(answered, "-ERR"); n > maxBadCommands {
				t.Errorf("%d refusals before the end", n)
			}
			witness.ask("STAT", "+OK 1 ")
			loggedInAs(t, b.tls, "other@pop3.example.org")
			if log := b.log.String(); strings.Contains(log, "panic") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// A client that asks for more than it reads holds up itself alone.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	f := twoAccounts(t)
	f.add(t, testPrefix, strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef\r\n", 200_000))
	b := start(t, f)
	c := loggedIn(t, b.plain)
	c.send(strings.Repeat("RETR 2\r\n", 50))
	c.want("+OK")
	loggedInAs(t, b.tls, "other@pop3.example.org").ask("STAT", "+OK 2 ")
}

// twoAccounts has the same mail for both.
func twoAccounts(t *testing.T) *fakeStore {
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	f.login = func(_ context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
		account := []byte("account-0000000" + q.Name[:1])
		return &contract.LoginResponse{Outcome: contract.LoginResponse_ACCEPTED, Account: account}, nil
	}
	return f
}

func loggedInAs(t *testing.T, address, name string) *client {
	t.Helper()
	c := dialTLS(t, address)
	c.want("+OK")
	c.ask("USER "+name, "+OK")
	c.ask("PASS "+testPassword, "+OK")
	return c
}
