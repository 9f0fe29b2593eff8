package pop3

import (
	"bufio"
	"crypto/tls"
	"strings"
	"testing"

	"postroom/services/settings"
)

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings = settings.Default() // plaintext_login = "trusted", and no network is
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	b := start(t, f)
	c := dialTLS(t, b.tls)
	c.want("+OK")
	c.ask("CAPA", "+OK")
	capabilities := c.text()
	if strings.Contains(capabilities, "STLS") || !strings.Contains(capabilities, "USER\r\n") {
		t.Errorf("capabilities under TLS: got %q", capabilities)
	}
	c.ask("STLS", "-ERR")
	c.logIn()
	c.ask("RETR 1", "+OK")
	if got, want := c.text(), testPrefix+"Subject: one\r\n\r\nfirst\r\n"; got != want {
		t.Errorf("message: got %q, want %q", got, want)
	}
	c.ask("QUIT", "+OK")
	c.wantClosed()
}

func TestSTLS(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings = settings.Default()
	b := start(t, f)
	c := dial(t, b.plain)
	c.want("+OK")
	c.ask("CAPA", "+OK")
	if capabilities := c.text(); !strings.Contains(capabilities, "STLS\r\n") || strings.Contains(capabilities, "SASL") || strings.Contains(capabilities, "\r\nUSER\r\n") {
		t.Errorf("capabilities before STLS: got %q", capabilities)
	}
	c.ask("STLS", "+OK")
	c.upgrade()
	c.ask("CAPA", "+OK")
	if capabilities := c.text(); strings.Contains(capabilities, "STLS") || !strings.Contains(capabilities, "\r\nUSER\r\nSASL PLAIN LOGIN\r\n") {
		t.Errorf("capabilities behind STLS: got %q", capabilities)
	}
	c.ask("STLS", "-ERR")
	c.logIn()
	c.ask("STAT", "+OK 0 0")
}

// RFC 2595 §4: what was known before TLS is forgotten.
func TestSTLSForgetsUser(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, newFakeStore(t)).plain)
	c.want("+OK")
	c.ask("USER "+testName, "+OK")
	c.ask("STLS", "+OK")
	c.upgrade()
	c.ask("PASS "+testPassword, "-ERR USER and")
}

// What somebody on the way puts behind STLS would be taken for a command that came under TLS.
func TestSTLSPlaintextInjection(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, newFakeStore(t)).plain)
	c.want("+OK")
	c.send("STLS\r\nUSER attacker@pop3.example.org\r\n")
	c.want("-ERR nothing may follow STLS")
	if rest := c.wantClosed(); rest != "" {
		t.Errorf("behind the refusal came %q", rest)
	}
}

func TestTLS11IsRefused(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	_, err := tls.Dial("tcp", b.tls, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestNewCertificateAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	before := dialTLS(t, b.tls)
	before.want("+OK")
	if got := before.certificate(); got != "first" {
		t.Fatalf("certificate: got %q, want the store's", got)
	}
	pair := newPair(t, "second")
	b.change(func(in *settings.Settings) {
		in.TLS = settings.TLS{Certificate: string(pair[0]), Key: settings.NewSecret(string(pair[1]))}
	})
	if got := dialTLS(t, b.tls).certificate(); got != "second" {
		t.Errorf("certificate: got %q, want the settings'", got)
	}
	before.ask("CAPA", "+OK") // a connection keeps what it began with
}

func TestPlaintextLoginAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	c := dial(t, b.plain)
	c.want("+OK")
	c.ask("USER "+testName, "+OK")
	b.change(func(in *settings.Settings) { in.POP3.PlaintextLogin = settings.PlaintextNever })
	c.ask("PASS "+testPassword, "-ERR [AUTH] log in over TLS")
}

// upgrade goes on under TLS.
func (c *client) upgrade() {
	c.t.Helper()
	nc := tls.Client(c.nc, clientTLS)
	if err := nc.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.nc, c.in = nc, bufio.NewReader(nc)
}

func (c *client) certificate() string {
	return c.nc.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}
