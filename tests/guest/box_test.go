//go:build guest

package guest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postroom/board"
	"postroom/services/console/api"
	"postroom/services/contract"
	"postroom/tests/hosted"
	"postroom/tools/guest"
	"postroom/tools/provider"
)

// A box is an appliance in QEMU, with a provider on this machine's loopback that it reaches by its network.
type box struct {
	t      *testing.T
	config guest.Config
	*guest.Guest
	pop3    netip.AddrPort // implicit TLS
	smtp    netip.AddrPort // implicit TLS
	ca      []byte         // of the box, PEM
	console *api.Client
}

const (
	bootPatience = 3 * time.Minute // under emulation, on a machine with much to do
	lastOfBoot   = "SHA-256 of its certificate: "
)

// newBox prepares a box, off.
func newBox(t *testing.T, build func() (string, error), p *provider.Provider) *box {
	t.Helper()
	disk, err := build()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "guest") // a socket's path has 107 octets at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	b := &box{t: t}
	key, err := api.LoadOrMakeKey(filepath.Join(folder, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := api.PublicPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, private := certify(t)
	b.ca = certificate
	b.pop3, b.smtp = freePort(t), freePort(t)
	console := freePort(t)
	if b.console, err = api.Dial(console.String(), key, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.console.Close)
	b.config = guest.Config{
		Image: disk, Folder: folder, DiskSize: 2 << 30,
		Forward: []guest.Forward{
			{Host: b.pop3.String(), Guest: 995}, {Host: b.smtp.String(), Guest: 465}, {Host: console.String(), Guest: 443},
		},
		Files: map[string][]byte{board.ClientKeysFile: public},
	}
	settings := fmt.Sprintf("[tls]\ncertificate = '''\n%s'''\nkey = '''\n%s'''\n", certificate, private)
	if p != nil {
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		for at, to := range map[string]netip.AddrPort{"10.0.2.100:995": p.AddrTLS(), "10.0.2.100:110": p.Addr()} {
			b.config.Provide = append(b.config.Provide, guest.Provide{Address: at, Command: program + " " + pipe + " " + to.String()})
		}
		settings += profiles(p)
	}
	b.config.Files[board.SettingsFile] = []byte(settings)
	t.Cleanup(func() {
		if b.Guest == nil {
			return
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("serial line:\n%s", b.Output())
		}
	})
	return b
}

// up switches the box on and waits until it says how to connect.
func (b *box) up() {
	b.t.Helper()
	var err error
	if b.Guest, err = guest.Start(b.t.Context(), b.config); err != nil {
		b.t.Fatal(err)
	}
	b.wait(lastOfBoot)
}

func (b *box) wait(text string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), bootPatience)
	defer cancel()
	line, err := b.Wait(ctx, text)
	if err != nil {
		b.t.Fatal(err)
	}
	return line
}

// down presses the power button and waits until the box is off.
func (b *box) down() {
	b.t.Helper()
	if err := b.PowerButton(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-b.Done():
	case <-time.After(bootPatience):
		b.t.Fatalf("the box does not go off:\n%s", b.Output())
	}
}

// until waits until the box's status is as wanted. The API has no watch: it is asked again and again.
func (b *box) until(what string, wanted func(*contract.GetStatusResponse) bool) *contract.GetStatusResponse {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), bootPatience)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		var status contract.GetStatusResponse
		err := b.console.Call(ctx, "GetStatus", &contract.GetStatusRequest{}, &status)
		if err == nil && wanted(&status) {
			return &status
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			b.t.Fatalf("waited in vain for %s; status: %v, %v", what, &status, err)
		}
	}
}

// profiles leads both hosts to the provider: one by implicit TLS, the other by STLS.
func profiles(p *provider.Provider) string {
	text := ""
	for _, one := range []struct{ host, address, tls string }{
		{"pop3.web.de", "10.0.2.100:995", "implicit"},
		{"pop3.gmx.de", "10.0.2.100:110", "stls"},
	} {
		text += fmt.Sprintf("[[provider]]\nhost = %q\naddress = %q\ntls = %q\nmin_interval = \"0s\"\nca = '''\n%s'''\n",
			one.host, one.address, one.tls, p.CA())
	}
	return text
}

// accounts are the two of the page that Postroom was ordered from, by user at the provider.
var accounts = map[string]string{hosted.WebUser: hosted.WebName, hosted.GMXUser: hosted.GMXName}

func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// certify makes a certificate for localhost, which is what the box is called by clients here; both PEM.
func certify(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
