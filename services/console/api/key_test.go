package api

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLoadOrMakeKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "folder", "client.key")
	var keys [8]*ecdsa.PrivateKey // made at once by as many
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			key, err := LoadOrMakeKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = key.(*ecdsa.PrivateKey)
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, key := range keys {
		if !key.Equal(keys[0]) {
			t.Error("two programs got two keys")
		}
	}
	if name := keys[0].Curve.Params().Name; name != "P-256" {
		t.Errorf("curve: got %s", name)
	}
	for at, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s: got %o, want %o", at, got, want)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

func TestBadKeyFiles(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good")
	key, err := LoadOrMakeKey(good)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	public, err := PublicPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	garbled := pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: []byte("sesame")})
	for _, test := range []struct {
		name string
		text []byte
		mode fs.FileMode
		want string
	}{
		{"others can read it", text, 0o640, "chmod 600"},
		{"empty", nil, 0o600, "no PEM block"},
		{"public part", public, 0o600, "no PEM block"},
		{"garbled", garbled, 0o600, "can't be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "client.key")
			if err := os.WriteFile(path, test.text, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := LoadOrMakeKey(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, test.text) {
				t.Errorf("the file was changed to %q, %v", now, err)
			}
		})
	}
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	key, err := LoadOrMakeKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	one, err := PublicPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := SelfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		text string
		want int // keys; -1: an error
	}{
		{"none", "", 0},
		{"comment alone", "# nobody yet\n", 0},
		{"one", string(one), 1},
		{"two and comments", "# first\n" + string(one) + "\nsecond\n" + string(one), 2},
		{"lines of another system", strings.ReplaceAll(string(one), "\n", "\r\n"), 1},
		{"cut", string(one[:len(one)/2]), -1},
		{"one and a cut one", string(one) + string(one[:len(one)-10]), -1},
		{"a certificate", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})), -1},
		{"no key in it", string(pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: []byte("x")})), -1},
	} {
		keys, err := ParsePublicKeys([]byte(test.text))
		if (err != nil) != (test.want < 0) || err == nil && len(keys) != test.want {
			t.Errorf("%s: got %d keys, %v; want %d", test.name, len(keys), err, test.want)
		}
		for _, der := range keys {
			if !bytes.Equal(der, leaf.RawSubjectPublicKeyInfo) {
				t.Errorf("%s: another key than in the certificate", test.name)
			}
		}
	}
}

func FuzzParsePublicKeys(f *testing.F) {
	key, err := LoadOrMakeKey(filepath.Join(f.TempDir(), "key"))
	if err != nil {
		f.Fatal(err)
	}
	one, err := PublicPEM(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one)
	f.Add(append([]byte("# comment\n"), one...))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParsePublicKeys(text)
		if err != nil {
			return
		}
		var again []byte
		for _, der := range keys {
			again = append(again, pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der})...)
		}
		if twice, err := ParsePublicKeys(again); err != nil || len(twice) != len(keys) {
			t.Fatalf("%q: %d keys, written again %d, %v", text, len(keys), len(twice), err)
		}
	})
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrMakeKey(filepath.Join(file, "client.key")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
