package salvage

import (
	"bytes"
	"errors"
	"io"
	"os"

	"postroom/services/store/disk"
)

// block is what is given up when a disk can't read it, octets.
const block = 4 << 10

// file is a segment, read as far as the disk gives it: what it doesn't give reads as zeros, so that the
// bodies around it are found, and one that it is part of doesn't fit its SHA-256.
type file struct {
	io.ReaderAt
	io.Closer
	size int64

	unreadable map[int64]bool // blocks
	err        error          // why, of the last one
}

var _ disk.File = (*file)(nil)

func openFile(name string) (*file, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{ReaderAt: f, Closer: f, size: info.Size(), unreadable: make(map[int64]bool)}, nil
}

func (f *file) Size() (int64, error) { return f.size, nil }

// ReadAt reads all that is within the size.
func (f *file) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, at)
	if err == nil || err == io.EOF {
		return n, err
	}
	for n < len(p) && at+int64(n) < f.size {
		from := at + int64(n)
		part := p[n:min(int64(len(p)), int64(n)+block-from%block)]
		part = part[:min(int64(len(part)), f.size-from)]
		read, err := f.ReaderAt.ReadAt(part, from)
		if read < len(part) {
			clear(part[read:])
			f.unreadable[from/block], f.err = true, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// used gives the octets between the first and the last that is no zero.
func (f *file) used(from, to int64) int64 {
	var buffer [64 << 10]byte
	first, last := int64(-1), int64(-1)
	for at := from; at < to; {
		part := buffer[:min(int64(len(buffer)), to-at)]
		n, _ := f.ReadAt(part, at)
		if n == 0 {
			break
		}
		part = part[:n]
		if i := bytes.IndexFunc(part, notZero); i >= 0 {
			if first < 0 {
				first = at + int64(i)
			}
			last = at + int64(len(bytes.TrimRight(part, "\x00"))) - 1
		}
		at += int64(n)
	}
	if first < 0 {
		return 0
	}
	return last - first + 1
}

func notZero(r rune) bool { return r != 0 }

// Nothing is written here.
func (*file) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (*file) Sync() error                        { return errors.ErrUnsupported }
func (*file) Truncate(int64) error               { return errors.ErrUnsupported }
func (*file) Punch(int64, int64) error           { return errors.ErrUnsupported }
