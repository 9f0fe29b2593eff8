// Package salvage saves the mails of a damaged store: it reads segments of bodies alone, whatever became of
// index and notes, and writes an mbox file for each account that a record names. It never writes into the store.
//
// What is saved is every body that still fits its SHA-256: mail that was dropped, but whose space was not yet
// given back, comes back too, and a mail that came to a queue twice is saved twice.
package salvage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postroom/services/store/segment"
	"postroom/tools/command/mbox"
)

// Report says what was saved, and what wasn't.
type Report struct {
	Accounts []*Account // by id
	Mails    uint64
	Octets   uint64 // of bodies
	// Skipped counts the places in segments where something stands that is no whole record, and SkippedOctets
	// what stands there.
	Skipped, SkippedOctets uint64
	Problems               []string // what was not read to its end, and why
}

// Account is what was saved for an account.
type Account struct {
	ID     string // hexadecimal
	File   string // name within the folder
	Mails  uint64
	Octets uint64
}

// Run saves what the store in dir holds into the folder out, which must be empty or not be there. dir is a box's
// data folder, the store's own, or that of its bodies. told is called with each segment's name before it is read.
func Run(dir, out string, told func(segment string)) (*Report, error) {
	bodies, err := findBodies(dir)
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(bodies, "*.seg"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 && bodies == filepath.Clean(dir) {
		return nil, fmt.Errorf("%q is no folder of a store, and holds no segment (*.seg)", dir)
	}
	if err := prepareOut(dir, out); err != nil {
		return nil, err
	}
	s := &saver{out: out, accounts: make(map[[16]byte]*Account)}
	slices.Sort(names) // numbers of eight digits: in the order that they were written
	for _, name := range names {
		told(filepath.Base(name))
		if err := s.segment(name); err != nil {
			return nil, err
		}
	}
	s.report.Accounts = slices.SortedFunc(maps.Values(s.accounts), func(a, b *Account) int { return strings.Compare(a.ID, b.ID) })
	return &s.report, s.sync()
}

// findBodies gives the folder of segments that is meant.
func findBodies(dir string) (string, error) {
	for _, below := range []string{"store/bodies", "bodies", "."} {
		bodies := filepath.Join(dir, below)
		info, err := os.Stat(bodies)
		if err == nil && info.IsDir() {
			return bodies, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return "", err
		}
	}
	return "", fmt.Errorf("%q is no folder of a store", dir)
}

// prepareOut makes the folder out, and refuses one that holds something or is within the store.
func prepareOut(dir, out string) error {
	store, err := realPath(dir)
	if err != nil {
		return err
	}
	to, err := realPath(out)
	if err != nil {
		return err
	}
	if rest, within := strings.CutPrefix(to, store); within && (rest == "" || rest[0] == filepath.Separator) {
		return fmt.Errorf("%q is within %q, where nothing is written: choose another folder", out, dir)
	}
	entries, err := os.ReadDir(out)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(out, 0o700)
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%q is not empty: choose another folder", out)
	}
	return err
}

// realPath gives a name without symbolic links; the last parts of it needn't exist.
func realPath(name string) (string, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	found, err := filepath.EvalSymlinks(name)
	if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(name) == name {
		return found, err
	}
	parent, err := realPath(filepath.Dir(name))
	return filepath.Join(parent, filepath.Base(name)), err
}

// saver writes what it is shown.
type saver struct {
	out      string
	accounts map[[16]byte]*Account
	report   Report
}

// segment saves the whole bodies of a segment. The error is of the folder out: what can't be read is reported.
func (s *saver) segment(name string) error {
	f, err := openFile(name)
	if err != nil {
		s.problem(name, err)
		return nil
	}
	defer f.Close()
	end := int64(0) // of the last whole record
	var written error
	err = segment.Scan(f, func(h segment.Header, offset uint64, body io.Reader) error {
		s.skip(f, end, int64(offset)-segment.HeaderSize)
		end = int64(offset + h.Length)
		written = s.save(h, body)
		return written
	})
	if written != nil {
		return written
	}
	if err != nil {
		s.problem(name, err)
	}
	s.skip(f, end, f.size)
	if n := len(f.unreadable); n > 0 {
		s.problem(name, fmt.Errorf("%d blocks of %d octets can't be read: %w", n, block, f.err))
	}
	return nil
}

func (s *saver) problem(name string, err error) {
	s.report.Problems = append(s.report.Problems, fmt.Sprintf("segment %s: %v", filepath.Base(name), err))
}

// skip counts what stands between two whole records. Zeros are space that was given back, or not yet used.
func (s *saver) skip(f *file, from, to int64) {
	if octets := f.used(from, to); octets > 0 {
		s.report.Skipped++
		s.report.SkippedOctets += uint64(octets)
	}
}

// save appends a mail to the file of its account.
func (s *saver) save(h segment.Header, body io.Reader) (err error) {
	a := s.accounts[h.Account]
	if a == nil {
		id := hex.EncodeToString(h.Account[:])
		a = &Account{ID: id, File: id + ".mbox"}
		s.accounts[h.Account] = a
	}
	// Opened for each mail: there may be more accounts than a process may have files.
	f, err := os.OpenFile(filepath.Join(s.out, a.File), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := mbox.NewWriter(f)
	if err := w.Begin(h.Time); err != nil {
		return err
	}
	if _, err := io.Copy(w, body); err != nil {
		return err
	}
	a.Mails++
	a.Octets += h.Length
	s.report.Mails++
	s.report.Octets += h.Length
	return w.Close()
}

// sync makes everything durable that was written.
func (s *saver) sync() error {
	names := []string{s.out}
	for _, a := range s.report.Accounts {
		names = append(names, filepath.Join(s.out, a.File))
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
