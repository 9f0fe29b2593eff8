package settings

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

// pair makes a certificate and its key, both PEM.
func pair(t testing.TB) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.org"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func tlsFile(certificate, key string) string {
	return "[tls]\ncertificate = '''\n" + certificate + "'''\nkey = '''\n" + key + "'''\n"
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, key := pair(t)
	s := mustParse(t, tlsFile(certificate, key))
	if s.TLS.SelfSigned() {
		t.Error("SelfSigned with a certificate")
	}
	if _, err := s.TLS.Pair(); err != nil {
		t.Errorf("Pair: %v", err)
	}
	if got := mustParse(t, string(s.Encode())); !reflect.DeepEqual(got, s) {
		t.Errorf("round trip: got\n%s\nwant\n%s", got.Encode(), s.Encode())
	}
	if _, err := Parse("shown", s.Show()); err == nil || strings.Contains(string(s.Show()), key[30:60]) {
		t.Errorf("Show: %v\n%s", err, s.Show())
	}

	public := s.WithoutSecrets()
	if strings.Contains(string(public.Encode()), "PRIVATE") || s.TLS.Key.Reveal() != key {
		t.Errorf("WithoutSecrets:\n%s", public.Encode())
	}
	if got := mustParse(t, string(public.Encode())); !reflect.DeepEqual(got, public) {
		t.Errorf("round trip without secrets: got\n%s", got.Encode())
	}

	// Windows' line ends, and a remark in front of the certificate
	crlf := strings.ReplaceAll("Subject: \"mail\\example\"\n"+certificate, "\n", "\r\n")
	s = mustParse(t, tlsFile(crlf, key))
	if got := mustParse(t, string(s.Encode())); !reflect.DeepEqual(got, s) {
		t.Errorf("round trip with CRLF: got\n%s\nwant\n%s", got.Encode(), s.Encode())
	}
}

func TestTLSRefused(t *testing.T) {
	t.Parallel()
	certificate, key := pair(t)
	_, otherKey := pair(t)
	cut := key[:len(key)-40]
	secret := key[60:90]
	for _, c := range []struct{ name, file, want string }{
		{"key of another certificate", tlsFile(certificate, otherKey),
			`f:LINE: tls.key: is not the key of tls.certificate; the server's own certificate comes first in tls.certificate`},
		{"no key", "[tls]\ncertificate = '''\n" + certificate + "'''\n",
			`f:2: tls.certificate: is here without its key; write both, or neither`},
		{"no certificate", "[tls]\nkey = '''\n" + key + "'''\n",
			`f:2: tls.key: is here without its certificate; write both, or neither`},
		{"key cut short", tlsFile(certificate, cut),
			"f:LINE: tls.key: is not whole PEM text; copy all of it, from the line -----BEGIN to the line -----END, between three quotes"},
		{"certificate for a key", tlsFile(certificate, certificate),
			"f:LINE: tls.key: holds no private key; write a PEM block of the type PRIVATE KEY"},
		{"key in the certificate", tlsFile(certificate+key, key),
			"f:2: tls.certificate: holds a private key; certificates alone belong here; a key belongs into tls.key"},
		{"encrypted key", tlsFile(certificate, strings.ReplaceAll(key, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY")),
			"f:LINE: tls.key: is protected by a passphrase; the box needs the key without one"},
		{"damaged key", tlsFile(certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
			"f:LINE: tls.key: holds a private key that can't be read; write an RSA, ECDSA or Ed25519 key in PEM form"},
		{"damaged certificate", tlsFile("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key),
			"f:2: tls.certificate: holds a certificate that can't be read (the PEM block with number 1)"},
		{"key without quotes", "[tls]\nkey = " + key,
			"f:2: this is not TOML: expected digit but got U+002D '-'; write text in quotes: \"…\""},
		{"key between single quotes", "[tls]\nkey = \"" + key + "\"\n[fetch]\nparalell = 1\n",
			"f:2: this is not TOML: basic strings cannot have new lines; write a text of several lines between \"\"\" and \"\"\"\n" +
				"f:LAST: fetch.paralell: there is no such setting; did you mean \"parallel\"?"},
		{"quotes not closed", "[tls]\nkey = '''\n" + key,
			"f:LAST: this is not TOML: multiline literal string not terminated by '''; it belongs to what begins on line 2"},
		{"ca", "[[provider]]\nhost='p.example'\nca='''\n" + key + "'''\n",
			"f:3: provider.ca: holds a private key; certificates alone belong here; a key belongs into tls.key"},
		{"ca of another kind", "[[provider]]\nhost='p.example'\nca='''\n" + strings.ReplaceAll(certificate, "CERTIFICATE", "PUBLIC KEY") + "'''\n",
			"f:3: provider.ca: holds a PEM block that is no certificate; write blocks of the type CERTIFICATE"},
	} {
		line := strings.Count(c.file[:max(0, strings.Index(c.file, "\nkey"))], "\n") + 2
		last := strings.Count(strings.TrimSuffix(c.file, "\n"), "\n") + 1
		want := strings.NewReplacer("LINE", fmt.Sprint(line), "LAST", fmt.Sprint(last)).Replace(c.want)
		s, err := Parse("f", []byte(c.file))
		if err == nil || err.Error() != want || s != nil {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, want)
		}
		if strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%s: the message holds the key: %v", c.name, err)
		}
	}
}

func TestRoots(t *testing.T) {
	t.Parallel()
	certificate, _ := pair(t)
	s := mustParse(t, "[[provider]]\nhost='p.example'\nca='''\n"+certificate+"'''\n")
	block, _ := pem.Decode([]byte(certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: s.Provider("p.example").Roots()}); err != nil {
		t.Errorf("verify with the profile's roots: %v", err)
	}
	if roots := s.Provider("other.example").Roots(); roots != nil {
		t.Errorf("roots of a provider without ca: %v, want nil", roots)
	}
}

func TestSecretIsNotShown(t *testing.T) {
	t.Parallel()
	s := Default()
	s.TLS.Key = NewSecret("marked")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", s.TLS.Key, "tls", s.TLS)
	js, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(s.TLS.Key), fmt.Sprintf("%s %v %+v %#v %q %x", s.TLS, s.TLS, s.TLS, s.TLS, s.TLS, s.TLS), log.String(), string(js)} {
		if strings.Contains(shown, "marked") || strings.Contains(shown, "6d61726b") || !strings.Contains(shown, masked) {
			t.Errorf("shown: %s", shown)
		}
	}
}
