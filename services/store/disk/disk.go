// Package disk is the few calls that the store makes to its file system, as an interface: the one place
// where tests put faults in.
package disk

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is a folder tree. Names are paths of the operating system.
type FS interface {
	// Create makes a new file for reading and writing, mode 0640; it is an error when it exists.
	Create(name string) (File, error)
	// CreatePrivate makes a file for reading and writing, mode 0600; one that is there is emptied.
	CreatePrivate(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes creations, renames and removals in the folder durable.
	SyncDir(name string) error
	// Free gives the octets that an unprivileged writer may still take, and the file system's size.
	Free(name string) (free, size uint64, err error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes what was written durable. After an error the kernel may have dropped the pages: the
	// file must not be written again.
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
	// Punch gives the octets back to the file system; they read as zeros. The size stays.
	Punch(offset, length int64) error
}

// OS is the real file system.
type OS struct{}

func (OS) Create(name string) (File, error) {
	return open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
}

func (OS) CreatePrivate(name string) (File, error) {
	return open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
}

func (OS) Open(name string) (File, error) { return open(name, os.O_RDWR, 0) }

func (OS) Rename(from, to string) error { return os.Rename(from, to) }

func (OS) Remove(name string) error { return os.Remove(name) }

func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

func (OS) SyncDir(name string) error {
	d, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func open(name string, flag int, mode fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

type file struct{ *os.File }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
