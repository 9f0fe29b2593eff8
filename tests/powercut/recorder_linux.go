package powercut

import (
	"bytes"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"postroom/tests/passthrough"

	"github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"
)

// Recorder passes everything on to a folder, and records each change and each sync, in order.
type Recorder struct {
	mounted *passthrough.Mounted
	real    string // the folder below
	dir     string // where it's mounted

	mu     sync.Mutex
	rec    Recording
	ids    map[uint64]uint64 // inode number → File
	last   uint64
	after  map[uint64]string // by folder: the last change of a name in it
	before func(n int, e Event) error
}

// Mount makes base in a new folder under scratch, and mounts a recorder of it at another. It needs root.
func Mount(scratch string, base *Tree) (*Recorder, error) {
	real, dir := filepath.Join(scratch, "real"), filepath.Join(scratch, "mount")
	if err := errors.Join(base.Write(real), os.Mkdir(dir, 0o755)); err != nil {
		return nil, err
	}
	r := &Recorder{real: real, dir: dir, rec: Recording{Base: base}, ids: make(map[uint64]uint64), after: make(map[uint64]string)}
	for p, n := range base.Nodes {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(real, p), &st); err != nil {
			return nil, err
		}
		r.ids[st.Ino] = n.File
		r.last = max(r.last, n.File)
	}
	var err error
	r.mounted, err = passthrough.Mount(real, dir, "recorder", r.record, nil)
	return r, err
}

// Dir is the folder for the program that is recorded.
func (r *Recorder) Dir() string { return r.dir }

// Unmount ends the recording. No process may have a file open there.
func (r *Recorder) Unmount() error { return r.mounted.Unmount() }

// Position is how many events there are by now.
func (r *Recorder) Position() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.rec.Events)
}

// Recording gives what was recorded until now.
func (r *Recorder) Recording() Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Recording{Base: r.rec.Base, Events: slices.Clone(r.rec.Events)}
}

// Before has f asked before each event: an error of it is what the program gets, and nothing happens. nil ends it.
func (r *Recorder) Before(f func(n int, e Event) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = f
}

// Restarted says that the program has died and another one comes: a write that was refused here may still stand in the
// kernel's cache.
func (r *Recorder) Restarted() { r.mounted.Forget() }

// record makes a change and records it, one at a time: the order of events is the order of changes.
func (r *Recorder) record(c *passthrough.Call, pass func() syscall.Errno) syscall.Errno {
	if c.Op == passthrough.Read {
		return pass()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := Event{Op: c.Op, Path: c.Path, To: c.To, Mode: c.Mode, Offset: c.Offset, Length: c.Length}
	if r.before != nil {
		if err := r.before(len(r.rec.Events), e); err != nil {
			return fs.ToErrno(err)
		}
	}
	if errno := pass(); errno != 0 {
		return errno
	}
	switch c.Op {
	case passthrough.Create, passthrough.Mkdir:
		r.last++
		r.ids[c.Ino] = r.last
	case passthrough.Write:
		e.Length, e.Data = c.Length, bytes.Clone(c.Data[:c.Length])
	case passthrough.SyncDir:
		e.After = r.after[r.ids[c.Ino]]
	}
	e.File = r.ids[c.Ino] // 0 for none
	r.named(e)
	r.rec.Events = append(r.rec.Events, e)
	return 0
}

// named notes a change of names by its folders; r.mu is held.
func (r *Recorder) named(e Event) {
	switch e.Op {
	case passthrough.Create, passthrough.Mkdir, passthrough.Link, passthrough.Rename, passthrough.Remove:
		words := e.Op.String() + " " + path.Base(e.Path)
		if e.To != "" {
			words += " " + path.Base(e.To)
			r.after[r.folderID(path.Dir(e.To))] = words
		}
		r.after[r.folderID(path.Dir(e.Path))] = words
	}
}

// folderID gives the File of a path; r.mu is held.
func (r *Recorder) folderID(p string) uint64 {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(r.real, p), &st); err != nil {
		return 0
	}
	return r.ids[st.Ino]
}
