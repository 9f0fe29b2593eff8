// Package disktest has a file system that fails where a test tells it to.
package disktest

import (
	"io/fs"
	"sync"

	"postroom/services/store/disk"
)

// Faulty is a file system for tests that fails where it is told to.
type Faulty struct {
	disk.FS

	mu   sync.Mutex
	fail func(op, name string) error
}

// Fail has every call ask fail first: op is create, open, write, sync, truncate, punch, rename, remove, syncdir or
// free. An error of it is the call's; a write that fails has written half. nil ends it.
func (f *Faulty) Fail(fail func(op, name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *Faulty) ask(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		return nil
	}
	return f.fail(op, name)
}

func (f *Faulty) Create(name string) (disk.File, error) {
	if err := f.ask("create", name); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.Create(name))(name)
}

func (f *Faulty) CreatePrivate(name string) (disk.File, error) {
	if err := f.ask("create", name); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.CreatePrivate(name))(name)
}

func (f *Faulty) Open(name string) (disk.File, error) {
	if err := f.ask("open", name); err != nil {
		return nil, err
	}
	return f.wrap(f.FS.Open(name))(name)
}

func (f *Faulty) wrap(file disk.File, err error) func(name string) (disk.File, error) {
	return func(name string) (disk.File, error) {
		if err != nil {
			return nil, err
		}
		return &faultyFile{File: file, fs: f, name: name}, nil
	}
}

func (f *Faulty) Rename(from, to string) error {
	if err := f.ask("rename", from); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *Faulty) Remove(name string) error {
	if err := f.ask("remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *Faulty) ReadDir(name string) ([]fs.DirEntry, error) { return f.FS.ReadDir(name) }

func (f *Faulty) SyncDir(name string) error {
	if err := f.ask("syncdir", name); err != nil {
		return err
	}
	return f.FS.SyncDir(name)
}

func (f *Faulty) Free(name string) (free, size uint64, err error) {
	if err := f.ask("free", name); err != nil {
		return 0, 1 << 40, nil // no room, rather than no answer
	}
	return f.FS.Free(name)
}

type faultyFile struct {
	disk.File
	fs   *Faulty
	name string
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.fs.ask("write", f.name); err != nil {
		n, short := f.File.WriteAt(p[:len(p)/2], at)
		if short != nil {
			err = short
		}
		return n, err
	}
	return f.File.WriteAt(p, at)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.ask("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.ask("truncate", f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Punch(offset, length int64) error {
	if err := f.fs.ask("punch", f.name); err != nil {
		return err
	}
	return f.File.Punch(offset, length)
}
