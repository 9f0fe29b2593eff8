package pid1

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

const machineKeySize = 32 // octets

// machineKey gives the key that login data is encrypted with. At the first boot it is made, and is on disk before
// anybody uses it. A damaged one is put aside: what it protected is asked for again, and mail is served meanwhile.
// change lets a function write to where the key is.
func machineKey(file string, change func(func() error) error, log *slog.Logger) ([]byte, error) {
	key, err := os.ReadFile(file)
	switch {
	case err == nil && len(key) == machineKeySize:
		return key, nil
	case err == nil:
		log.Error("machine key is damaged and was put aside: clients must log in again", "file", file, "octets", len(key))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the machine key: %w", err)
	}
	damaged := err == nil
	key = make([]byte, machineKeySize)
	rand.Read(key) // it doesn't fail
	err = change(func() error {
		if damaged {
			if err := os.Rename(file, file+".damaged"); err != nil {
				return err
			}
		}
		return createFile(file, key)
	})
	if err != nil {
		return nil, fmt.Errorf("make the machine key: %w", err)
	}
	return key, nil
}

// createFile makes a file, and its folder, durable.
func createFile(name string, content []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".part", name); err != nil {
		return err
	}
	return errors.Join(syncFolder(dir), syncFolder(filepath.Dir(dir)))
}

func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
