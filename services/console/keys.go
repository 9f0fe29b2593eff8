package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"postroom/services/console/api"
)

// maxKeys bounds the file of client keys, octets.
const maxKeys = 256 << 10

// clientKeys is the file of the keys that may call. It is read at each call, so a key that is taken out of it
// is refused from the next call on, on a connection that stands as well.
type clientKeys struct{ path string }

// knows says whether the certificate's key is in the file, and its fingerprint: the SHA-256 of its
// SubjectPublicKeyInfo. Where the file can't be read, or is wrong in any place, nobody's is.
func (k clientKeys) knows(certificate *x509.Certificate) (known bool, fingerprint string, err error) {
	got, err := x509.MarshalPKIXPublicKey(certificate.PublicKey)
	if err != nil {
		return false, "", err
	}
	sum := sha256.Sum256(got)
	fingerprint = hex.EncodeToString(sum[:])
	keys, err := k.read()
	if err != nil {
		return false, fingerprint, fmt.Errorf("read the client keys: %w", err)
	}
	match := 0
	for _, key := range keys {
		match |= subtle.ConstantTimeCompare(key, got)
	}
	return match == 1, fingerprint, nil
}

// read gives no keys where there is no file.
func (k clientKeys) read() ([][]byte, error) {
	f, err := os.Open(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeys+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeys {
		return nil, fmt.Errorf("%q is longer than %d octets", k.path, maxKeys)
	}
	keys, err := api.ParsePublicKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", k.path, err)
	}
	return keys, nil
}
