package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MaxFile is how long a file of the ring gets, octets: the newest lines are in "current", those before in
// "previous".
const MaxFile = 8 << 20

// A ring is two files. Their space is reserved when they are begun, so that a disk which fills later doesn't stop
// the log.
type ring struct {
	folder  string
	max     int64
	current *os.File
	length  int64
}

func openRing(folder string, limit int64) (*ring, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the log: %w", err)
	}
	r := &ring{folder: folder, max: limit}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *ring) name(which string) string { return filepath.Join(r.folder, which) }

func (r *ring) open() error {
	f, err := os.OpenFile(r.name("current"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the log: %w", err), f.Close())
	}
	r.current, r.length = f, info.Size()
	if c, err := f.SyscallConn(); err == nil {
		// Where that is not to be had, the log takes what space it gets.
		c.Control(func(fd uintptr) { unix.Fallocate(int(fd), unix.FALLOC_FL_KEEP_SIZE, 0, r.max) })
	}
	return nil
}

// Write appends lines, in a new file when the current one is full.
func (r *ring) Write(lines []byte) (int, error) {
	if r.current == nil || r.length+int64(len(lines)) > r.max {
		if err := r.turn(); err != nil {
			return 0, err
		}
	}
	n, err := r.current.Write(lines)
	r.length += int64(n)
	return n, err
}

// turn begins a new file. When that can't be, the old one is emptied: it must not grow.
func (r *ring) turn() error {
	if r.current != nil {
		r.current.Close() // its lines are written, and nothing is promised of them
		r.current = nil
	}
	if err := os.Rename(r.name("current"), r.name("previous")); err != nil && !errors.Is(err, os.ErrNotExist) {
		if err := os.Truncate(r.name("current"), 0); err != nil {
			return err
		}
	}
	return r.open()
}

func (r *ring) Close() error {
	if r.current == nil {
		return nil
	}
	return errors.Join(r.current.Sync(), r.current.Close())
}
