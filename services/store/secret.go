package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const machineKeySize = 32 // octets

// secrets seals what the box must be able to read again, and checks logins, with keys drawn from the
// machine key (HKDF-SHA-256, RFC 5869), which is not on the data partition.
type secrets struct {
	aead cipher.AEAD // AES-256-GCM; a random nonce stands before what it seals
	mac  []byte
	who  []byte // of correspondents
}

// loadMachineKey reads the machine key. With create it is made when it isn't there, durable before it is used.
func loadMachineKey(name string, create bool) ([]byte, error) {
	key, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && create {
		return createMachineKey(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read machine key: %w", err)
	}
	if len(key) != machineKeySize {
		return nil, fmt.Errorf("machine key %s has %d octets, not %d", name, len(key), machineKeySize)
	}
	return key, nil
}

func createMachineKey(name string) ([]byte, error) {
	key := make([]byte, machineKeySize)
	rand.Read(key)
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of the machine key: %w", err)
	}
	f, err := os.OpenFile(name+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make machine key: %w", err)
	}
	_, err = f.Write(key)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(name+".part", name)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err == nil {
		err = syncDir(filepath.Dir(dir)) // the folder may be new, too
	}
	if err != nil {
		return nil, fmt.Errorf("make machine key: %w", err)
	}
	return key, nil
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func newSecrets(machineKey []byte) (*secrets, error) {
	seal, err := hkdf.Key(sha256.New, machineKey, nil, "postroom sealing", 32)
	if err != nil {
		return nil, err
	}
	mac, err := hkdf.Key(sha256.New, machineKey, nil, "postroom login check", 32)
	if err != nil {
		return nil, err
	}
	who, err := hkdf.Key(sha256.New, machineKey, nil, "postroom correspondents", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &secrets{aead: aead, mac: mac, who: who}, nil
}

// seal encrypts text for a subject; open gives it back only for the same subject.
func (s *secrets) seal(text string, subject []byte) []byte {
	return s.aead.Seal(nil, nil, []byte(text), subject)
}

func (s *secrets) open(sealed, subject []byte) (string, error) {
	text, err := s.aead.Open(nil, nil, sealed, subject)
	if err != nil {
		return "", errors.New("sealed with another machine key, or damaged")
	}
	return string(text), nil
}

// check is what a password is compared by: HMAC-SHA-256, with the subject in it, so that equal passwords of
// two accounts don't look equal.
func (s *secrets) check(password string, subject []byte) []byte {
	m := hmac.New(sha256.New, s.mac)
	m.Write(subject)
	m.Write([]byte(password))
	return m.Sum(nil)
}

// correspondent is what an address that an account wrote to is known by.
func (s *secrets) correspondent(address string, subject []byte) []byte {
	m := hmac.New(sha256.New, s.who)
	m.Write(subject)
	m.Write([]byte(address))
	return m.Sum(nil)
}
