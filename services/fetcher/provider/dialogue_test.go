package provider

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/fetcher/internal/script"
	"postroom/services/settings"
	"postroom/services/wire"

	"golang.org/x/tools/txtar"
)

const testHost = "pop.example.org"

// authority makes certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key}
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) server(name string, from, to time.Time) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: from, NotAfter: to,
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// play plays a dialogue for a profile with a mode of TLS, and what client does with the session.
func play(t *testing.T, mode settings.TLSMode, server *tls.Config, roots *x509.CertPool, dialogue string, client func(*Conn) error) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	played := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = (&script.Player{TLS: server}).Play(conn, dialogue)
		}
		played <- err
	}()
	s := settings.Default()
	p := settings.DefaultProvider(testHost)
	p.BuiltIn, p.TLS, p.Address = false, mode, netip.MustParseAddrPort(listener.Addr().String())
	s.Providers = []settings.Provider{p}
	d := Dialer{Roots: roots}
	c, err := d.Open(t.Context(), s, Target{Host: testHost})
	if err == nil {
		err = client(c)
		c.Close()
	}
	if played := <-played; played != nil {
		t.Errorf("dialogue: %v", played)
	}
	return err
}

// TestDialogues plays testdata/dialogues: the file "tls" holds the mode, "dialogue" the session, "explain" what a person
// is told, where it's not to succeed. The session logs in, lists and quits.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogues/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	a := newAuthority(t)
	good := a.server(testHost, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]string{}
			for _, f := range archive.Files {
				part[f.Name] = strings.TrimSpace(string(f.Data))
			}
			var listed strings.Builder
			err = play(t, settings.TLSMode(part["tls"]), good, a.roots(), part["dialogue"], func(c *Conn) error {
				if err := c.Login("u", wire.NewSecret("p")); err != nil {
					return err
				}
				l, err := c.List()
				if err != nil {
					return err
				}
				for _, m := range l.Mails {
					size := "-"
					if m.Sized {
						size = fmt.Sprint(m.Size)
					}
					fmt.Fprintf(&listed, "%d %s %q %t\n", m.Number, size, m.UIDL, m.Unique)
				}
				return c.Quit()
			})
			explained := ""
			if err != nil {
				explained = Explain(testHost, err)
			}
			if explained != part["explain"] {
				t.Errorf("%s\nexplained: %s\nwant: %s", archive.Comment, explained, part["explain"])
			}
			if got := strings.TrimSpace(listed.String()); got != part["listed"] {
				t.Errorf("%s\nlisted:\n%s\nwant:\n%s", archive.Comment, got, part["listed"])
			}
			if err != nil && strings.Contains(err.Error(), "PASS p") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	cases := []struct {
		name   string
		server *tls.Config
		roots  *x509.CertPool
		want   string
	}{
		{"good", a.server(testHost, from, to), a.roots(), ""},
		{"unknown authority", other.server(testHost, from, to), a.roots(),
			`the certificate of "pop.example.org" comes from an authority that is not trusted here: "CN=Test Authority"`},
		{"other name", a.server("mail.example.net", from, to), a.roots(),
			`the certificate of "pop.example.org" is not valid for that name, but for "mail.example.net"`},
		{"expired", a.server(testHost, from, from.Add(time.Minute)), a.roots(), `the certificate of "pop.example.org" is valid from `},
		{"not yet valid", a.server(testHost, to, to.Add(time.Hour)), a.roots(), `the certificate of "pop.example.org" is valid from `},
	}
	for _, c := range cases {
		for _, mode := range []settings.TLSMode{settings.TLSImplicit, settings.TLSSTLS} {
			t.Run(c.name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				dialogue := "TLS\nS: +OK\nC: CAPA\nS: -ERR\n"
				if mode == settings.TLSSTLS {
					dialogue = "S: +OK\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: +OK\nTLS\nC: CAPA\nS: -ERR\n"
				}
				err := play(t, mode, c.server, c.roots, dialogue, func(*Conn) error { return nil })
				if err == nil && c.want == "" {
					return
				}
				if got := Explain(testHost, err); err == nil || c.want == "" || !strings.HasPrefix(got, c.want) {
					t.Errorf("got %v: %q, want %q", err, got, c.want)
				}
				if !Forbidden(err) {
					t.Errorf("a bad certificate doesn't fit the rule: %v", err)
				}
			})
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	cases := []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", Name: testHost, IsNotFound: true}, `there is no server named "pop.example.org": check what stands behind the last "@"`},
		{&net.DNSError{Err: "i/o timeout", Name: testHost, IsTimeout: true}, `the name "pop.example.org" could not be looked up just now: i/o timeout`},
		{&Unreachable{Host: testHost, Address: "8.8.8.8:995", Cause: os.ErrDeadlineExceeded}, `no connection to "pop.example.org": 8.8.8.8:995: no answer in time`},
		{&NotAllowed{"port 25 is not allowed"}, "port 25 is not allowed"},
		{&Refusal{Command: "PASS", Code: "AUTH", Text: "wrong"}, `"pop.example.org" refused login name or password: "[AUTH] wrong"`},
		{&Refusal{Command: "PASS", Text: "hm"}, `"pop.example.org" refused the login: "hm"`},
		{&Refusal{Text: "too many connections"}, `"pop.example.org" takes no session now: "too many connections"`},
		{&Refusal{Command: "LIST", Text: "no"}, `"pop.example.org" refused LIST: "no"`},
		{io.ErrUnexpectedEOF, `the session with "pop.example.org" broke off: somewhere: unexpected EOF`},
	}
	for _, c := range cases {
		if got := Explain(testHost, fmt.Errorf("somewhere: %w", c.err)); got != c.want {
			t.Errorf("%v:\ngot  %s\nwant %s", c.err, got, c.want)
		}
	}
}

// TestContext ends a session that waits, and says why.
func TestContext(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := settings.Default()
	p := settings.DefaultProvider(testHost)
	p.BuiltIn, p.TLS, p.Address = false, settings.TLSNone, netip.MustParseAddrPort(listener.Addr().String())
	s.Providers = []settings.Provider{p}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(stopped) })
	if _, err := new(Dialer).Open(ctx, s, Target{Host: testHost}); !errors.Is(err, stopped) {
		t.Errorf("got %v, want %v", err, stopped)
	}
}
