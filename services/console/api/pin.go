package api

import (
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Mismatch says that a box shows another certificate than the one that is known of it: it was given a new one,
// or something stands in between.
type Mismatch struct {
	Host  string // with port
	Got   string // fingerprints, hexadecimal
	Known string
	File  string // that knows it, and the line; empty: the caller knew
	Line  int
}

func (e *Mismatch) Error() string {
	text := fmt.Sprintf("%q shows a certificate with the fingerprint %s, not %s as before", e.Host, e.Got, e.Known)
	if e.File == "" {
		return text
	}
	return fmt.Sprintf("%s. If its certificate was changed on purpose, remove line %d of %s and try again; if not, somebody may be in between",
		text, e.Line, e.File)
}

// Pin accepts one fingerprint: hexadecimal, in upper or lower case, with or without colons.
func Pin(host, known string) (func(fingerprint string) error, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(known, ":", ""))
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("fingerprint %q: write the 64 hexadecimal digits of a SHA-256", known)
	}
	known = hex.EncodeToString(raw)
	return func(got string) error {
		if same(got, known) {
			return nil
		}
		return &Mismatch{Host: host, Got: got, Known: known}
	}, nil
}

// KnownHosts is the file of the boxes that this user has met, a line each:
//
//	host:port sha256:<fingerprint, hexadecimal>
//
// Empty lines and those that begin with # are comments.
type KnownHosts struct {
	Path string
	// Tell is called when a box is met for the first time, before its fingerprint is written down and
	// anything is sent to it. May be nil; an error refuses the box.
	Tell func(host, fingerprint string) error

	mu sync.Mutex
}

// Pin gives the function that accepts what is known of host, and what it shows first where nothing is.
func (k *KnownHosts) Pin(host string) func(fingerprint string) error {
	return func(got string) error {
		host, err := WithPort(host)
		if err != nil {
			return err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		known, line, whole, err := k.find(host)
		switch {
		case err != nil:
			return fmt.Errorf("read the known hosts: %w", err)
		case known == "":
		case same(got, known):
			return nil
		default:
			return &Mismatch{Host: host, Got: got, Known: known, File: k.Path, Line: line}
		}
		if k.Tell != nil {
			if err := k.Tell(host, got); err != nil {
				return err
			}
		}
		if err := k.add(host, got, whole); err != nil {
			return fmt.Errorf("write down the fingerprint of %q: %w", host, err)
		}
		return nil
	}
}

// find gives what the first line with host says; nothing where there is none. whole: the file ends in a
// whole line.
func (k *KnownHosts) find(host string) (known string, line int, whole bool, err error) {
	text, err := os.ReadFile(k.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", 0, false, err
	}
	whole = len(text) == 0 || bytes.HasSuffix(text, []byte("\n"))
	for entry := range strings.Lines(string(text)) {
		line++
		fields := strings.Fields(entry)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		print, ok := "", false
		if len(fields) == 2 {
			print, ok = strings.CutPrefix(fields[1], "sha256:")
		}
		if raw, err := hex.DecodeString(print); !ok || err != nil || len(raw) != 32 {
			return "", 0, false, fmt.Errorf(`%s, line %d: want "host:port sha256:<64 hexadecimal digits>"`, k.Path, line)
		}
		if fields[0] == host {
			return strings.ToLower(print), line, whole, nil
		}
	}
	return "", 0, whole, nil
}

// add appends a line in one write, so that what another program adds meanwhile stays; the first line with a
// host counts.
func (k *KnownHosts) add(host, fingerprint string, whole bool) error {
	dir := filepath.Dir(k.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(k.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	entry := host + " sha256:" + fingerprint + "\n"
	if !whole {
		entry = "\n" + entry
	}
	_, err = f.WriteString(entry)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), syncFolder(dir))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
