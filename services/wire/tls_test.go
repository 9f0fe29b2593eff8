package wire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/wire"
)

// tlsConfigs gives what a server and a client that trusts it need, for the name pop3.test.
func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"pop3.test"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots, ServerName: "pop3.test"}
}

// pair gives both ends of a loopback connection.
func pair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

func expect(t *testing.T, c *wire.Conn, want string) {
	t.Helper()
	if line, err := c.ReadLine(512); err != nil || string(line) != want {
		t.Errorf("got %q, %v; want %q", line, err, want)
	}
}

func TestSTLS(t *testing.T) {
	t.Parallel()
	serverConfig, clientConfig := tlsConfigs(t)
	a, b := pair(t)
	body := strings.Repeat("a line of mail\r\n.\r\n", 50000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := wire.NewConn(a, wire.Timeouts{})
		expect(t, s, "STLS")
		s.WriteLine("+OK begin TLS")
		if err := s.StartTLSServer(serverConfig); err != nil {
			t.Errorf("server: %v", err)
		}
		expect(t, s, "RETR 1")
		s.WriteLine("+OK")
		d := s.DotWriter()
		io.WriteString(d, body)
		d.Close()
		expect(t, s, "QUIT")
		s.WriteLine("+OK bye")
		s.Flush()
		s.Close()
	}()
	c := wire.NewConn(b, wire.Timeouts{})
	if _, ok := c.TLS(); ok {
		t.Errorf("before STLS: TLS() says that it is there")
	}
	c.WriteLine("STLS")
	expect(t, c, "+OK begin TLS")
	if err := c.StartTLSClient(clientConfig); err != nil {
		t.Errorf("client: %v", err)
	}
	if state, ok := c.TLS(); !ok || !state.HandshakeComplete {
		t.Errorf("after STLS: TLS() says that it isn't there")
	}
	c.WriteLine("RETR 1")
	c.WriteLine("QUIT")
	expect(t, c, "+OK")
	if got, err := io.ReadAll(c.DotReader(0)); err != nil || string(got) != body {
		t.Errorf("body under TLS: got %d octets, %v; want %d", len(got), err, len(body))
	}
	expect(t, c, "+OK bye")
	if _, err := c.ReadLine(512); err != io.EOF {
		t.Errorf("after the end: got %v; want io.EOF", err)
	}
	if err := c.StartTLSClient(clientConfig); err == nil {
		t.Errorf("TLS a second time: no error")
	}
	<-done
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	serverConfig, clientConfig := tlsConfigs(t)
	a, b := pair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := wire.NewConn(a, wire.Timeouts{})
		if err := s.StartTLSServer(serverConfig); err != nil {
			t.Errorf("server: %v", err)
		}
		s.WriteLine("+OK ready")
		s.Flush()
		s.Close()
	}()
	c := wire.NewConn(b, wire.Timeouts{})
	if err := c.StartTLSClient(clientConfig); err != nil {
		t.Errorf("client: %v", err)
	}
	expect(t, c, "+OK ready")
	if c.RemoteAddr().String() != a.LocalAddr().String() || c.LocalAddr().String() != a.RemoteAddr().String() {
		t.Errorf("addresses: got %v to %v", c.LocalAddr(), c.RemoteAddr())
	}
	<-done
}

// What is sent in the clear behind STLS, in one packet with it or with the reply, must not
// be read as if it had come under TLS.
func TestBufferedPlaintext(t *testing.T) {
	t.Parallel()
	serverConfig, clientConfig := tlsConfigs(t)

	s, f := over("STLS\r\nUSER mallory\r\n")
	expect(t, s, "STLS")
	s.WriteLine("+OK begin TLS")
	if err := s.StartTLSServer(serverConfig); err != wire.ErrBufferedPlaintext || !f.closed {
		t.Errorf("server: got %v, closed %v; want ErrBufferedPlaintext and closed", err, f.closed)
	}
	if line, err := s.ReadLine(255); err == nil {
		t.Errorf("server: read %q after it", line)
	}

	c, f := over("+OK begin TLS\r\n+OK mallory\r\n")
	expect(t, c, "+OK begin TLS")
	if err := c.StartTLSClient(clientConfig); err != wire.ErrBufferedPlaintext || !f.closed {
		t.Errorf("client: got %v, closed %v; want ErrBufferedPlaintext and closed", err, f.closed)
	}
	if line, err := c.ReadLine(255); err == nil {
		t.Errorf("client: read %q after it", line)
	}
}

func TestHandshakeFails(t *testing.T) {
	t.Parallel()
	serverConfig, clientConfig := tlsConfigs(t)
	clientConfig.ServerName = "other.test"
	a, b := pair(t)
	done := make(chan error)
	go func() { done <- wire.NewConn(a, wire.Timeouts{}).StartTLSServer(serverConfig) }()
	c := wire.NewConn(b, wire.Timeouts{})
	var wrongName x509.HostnameError
	if err := c.StartTLSClient(clientConfig); !errors.As(err, &wrongName) {
		t.Errorf("a certificate for another name: got %v; want an x509.HostnameError", err)
	}
	if err := <-done; err == nil {
		t.Errorf("server: no error")
	}
	if err := c.WriteLine("USER a"); err == nil {
		t.Errorf("write after a failed handshake: no error")
	}
}

func TestHandshakeDeadline(t *testing.T) {
	t.Parallel()
	serverConfig, _ := tlsConfigs(t)
	timed(t, silent, func(c *wire.Conn) error { return c.StartTLSServer(serverConfig) }, time.Minute, os.ErrDeadlineExceeded)
}

func TestInterruptUnderTLS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		serverConfig, clientConfig := tlsConfigs(t)
		a, b := net.Pipe()
		s, c := wire.NewConn(a, short), wire.NewConn(b, short)
		defer s.Close()
		go s.StartTLSServer(serverConfig)
		if err := c.StartTLSClient(clientConfig); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, c.Interrupt)
		if err := readLine(c); err != wire.ErrInterrupted {
			t.Errorf("read: got %v; want ErrInterrupted", err)
		}
		start := time.Now()
		c.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close waited for %v", took)
		}
	})
}
