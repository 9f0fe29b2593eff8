package powercut

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Recorder is a file system over a folder that passes everything on and records each change and each sync, in order.
// A program that uses it sees a folder like any other. A write is passed on before it returns (there is no write-back
// cache), and files can be mapped to be read; what is written through a map would not be seen in time. The program must
// be another process than this one, for a page fault in a file that this process maps would wait for this process.
type Recorder struct {
	server *fuse.Server
	real   string // the folder below
	dir    string // where it's mounted

	mu     sync.Mutex
	rec    Recording
	ids    map[uint64]uint64 // inode number → File
	last   uint64
	after  map[uint64]string // by folder: the last change of a name in it
	before func(n int, e Event) error
	fresh  map[uint64]bool // files of which the kernel has cached nothing but what stands below
}

// Mount makes base in a new folder under scratch, and mounts a recorder of it at another. It needs root.
func Mount(scratch string, base *Tree) (*Recorder, error) {
	real, dir := filepath.Join(scratch, "real"), filepath.Join(scratch, "mount")
	if err := errors.Join(base.Write(real), os.Mkdir(dir, 0o755)); err != nil {
		return nil, err
	}
	r := &Recorder{real: real, dir: dir, rec: Recording{Base: base}, ids: make(map[uint64]uint64), after: make(map[uint64]string), fresh: make(map[uint64]bool)}
	for p, n := range base.Nodes {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(real, p), &st); err != nil {
			return nil, err
		}
		r.ids[st.Ino] = n.File
		r.last = max(r.last, n.File)
	}
	var st unix.Stat_t
	if err := unix.Stat(real, &st); err != nil {
		return nil, err
	}
	below := &fs.LoopbackRoot{Path: real, Dev: st.Dev}
	root := &node{LoopbackNode: &fs.LoopbackNode{RootData: below}, r: r}
	below.RootNode = root
	forever := time.Hour // nothing changes but through here
	var err error
	r.server, err = fs.Mount(dir, root, &fs.Options{
		AttrTimeout: &forever, EntryTimeout: &forever,
		RootStableAttr: &fs.StableAttr{Ino: st.Ino, Mode: fuse.S_IFDIR},
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true, AllowOther: true, MaxWrite: 1 << 20, FsName: "postroom-recorder", Name: "recorder",
			// Nothing changes but through here; what the kernel forgets by itself it may forget between a write and its
			// passing on, and then cache what was there before.
			ExplicitDataCacheControl: true,
			DisableReadDirPlus:       true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("mount the recorder (it needs root and /dev/fuse): %w", err)
	}
	return r, nil
}

// Dir is the folder for the program that is recorded.
func (r *Recorder) Dir() string { return r.dir }

// Unmount ends the recording. No process may have a file open there.
func (r *Recorder) Unmount() error { return r.server.Unmount() }

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
// kernel's cache, and what was cached is forgotten as each file is opened. (Not at other times: what one thread of a
// program writes while another opens the file could then be cached as it was before.)
func (r *Recorder) Restarted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.fresh)
}

// do makes a change and records it, one at a time: the order of events is the order of changes.
func (r *Recorder) do(e *Event, change func() syscall.Errno) syscall.Errno {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.before != nil {
		if err := r.before(len(r.rec.Events), *e); err != nil {
			return fs.ToErrno(err)
		}
	}
	if errno := change(); errno != 0 {
		return errno
	}
	switch e.Op {
	case Create, Mkdir, Link, Rename, Remove:
		words := e.Op.String() + " " + path.Base(e.Path)
		if e.To != "" {
			words += " " + path.Base(e.To)
		}
		r.after[r.folderID(path.Dir(e.Path))] = words
		if e.To != "" {
			r.after[r.folderID(path.Dir(e.To))] = words
		}
	case SyncDir:
		e.After = r.after[e.File]
	}
	r.rec.Events = append(r.rec.Events, *e)
	return 0
}

// folderID gives the File of a path; r.mu is held.
func (r *Recorder) folderID(p string) uint64 {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(r.real, p), &st); err != nil {
		return 0
	}
	return r.ids[st.Ino]
}

// node is a file or a folder.
type node struct {
	*fs.LoopbackNode
	r *Recorder
}

func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: ops.(*fs.LoopbackNode), r: n.r}
}

func (n *node) path() string {
	if n.IsRoot() {
		return "."
	}
	return n.Path(nil)
}

func (n *node) child(base string) string { return path.Join(n.path(), base) }

// id is the node's File; r.mu is held.
func (n *node) id() uint64 { return n.r.ids[n.StableAttr().Ino] }

func (n *node) made(i *fs.Inode) uint64 {
	n.r.last++
	n.r.ids[i.StableAttr().Ino] = n.r.last
	return n.r.last
}

func (n *node) Create(ctx context.Context, base string, flags, mode uint32, out *fuse.EntryOut) (i *fs.Inode, fh fs.FileHandle, _ uint32, errno syscall.Errno) {
	e := &Event{Op: Create, Path: n.child(base), Mode: mode & 0o777}
	errno = n.r.do(e, func() (errno syscall.Errno) {
		i, fh, _, errno = n.LoopbackNode.Create(ctx, base, flags, mode, out)
		if errno == 0 {
			e.File = n.made(i)
			n.r.fresh[e.File] = true
		}
		return errno
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return i, n.r.handle(fh, e.File, e.Path), fuse.FOPEN_KEEP_CACHE, 0
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	truncate := flags&syscall.O_TRUNC != 0
	fh, _, errno := n.LoopbackNode.Open(ctx, flags&^syscall.O_TRUNC)
	if errno != 0 {
		return nil, 0, errno
	}
	n.r.mu.Lock()
	id := n.id()
	n.r.mu.Unlock()
	h := n.r.handle(fh, id, n.path())
	if truncate {
		var in fuse.SetAttrIn
		in.Valid = fuse.FATTR_SIZE
		var out fuse.AttrOut
		if errno := n.Setattr(ctx, h, &in, &out); errno != 0 {
			h.Release(ctx) // it says nothing new
			return nil, 0, errno
		}
	}
	n.r.mu.Lock()
	defer n.r.mu.Unlock()
	if n.r.fresh[id] {
		return h, fuse.FOPEN_KEEP_CACHE, 0
	}
	n.r.fresh[id] = true
	return h, 0, 0
}

func (n *node) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if h, ok := fh.(*handle); ok {
		fh = h.file
	}
	size, ok := in.GetSize()
	if !ok {
		return n.LoopbackNode.Setattr(ctx, fh, in, out)
	}
	e := &Event{Op: Truncate, Path: n.path(), Length: int64(size)}
	return n.r.do(e, func() syscall.Errno {
		e.File = n.id()
		return n.LoopbackNode.Setattr(ctx, fh, in, out)
	})
}

func (n *node) Mkdir(ctx context.Context, base string, mode uint32, out *fuse.EntryOut) (i *fs.Inode, errno syscall.Errno) {
	e := &Event{Op: Mkdir, Path: n.child(base), Mode: mode & 0o777}
	return i, n.r.do(e, func() (errno syscall.Errno) {
		i, errno = n.LoopbackNode.Mkdir(ctx, base, mode, out)
		if errno == 0 {
			e.File = n.made(i)
		}
		return errno
	})
}

func (n *node) Unlink(ctx context.Context, base string) syscall.Errno {
	return n.r.do(&Event{Op: Remove, Path: n.child(base)}, func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, base) })
}

func (n *node) Rmdir(ctx context.Context, base string) syscall.Errno {
	return n.r.do(&Event{Op: Remove, Path: n.child(base)}, func() syscall.Errno { return n.LoopbackNode.Rmdir(ctx, base) })
}

func (n *node) Rename(ctx context.Context, base string, to fs.InodeEmbedder, newBase string, flags uint32) syscall.Errno {
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL // nobody has exchanged names yet
	}
	return n.r.do(&Event{Op: Rename, Path: n.child(base), To: to.(*node).child(newBase)}, func() syscall.Errno {
		return n.LoopbackNode.Rename(ctx, base, to, newBase, flags)
	})
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, base string, out *fuse.EntryOut) (i *fs.Inode, errno syscall.Errno) {
	return i, n.r.do(&Event{Op: Link, Path: target.(*node).path(), To: n.child(base)}, func() (errno syscall.Errno) {
		i, errno = n.LoopbackNode.Link(ctx, target, base, out)
		return errno
	})
}

func (n *node) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.r.mu.Lock()
	id := n.id()
	n.r.mu.Unlock()
	entries, errno := fs.NewLoopbackDirStream(filepath.Join(n.r.real, n.path()))
	if errno != 0 {
		return nil, 0, errno
	}
	return &folder{r: n.r, entries: entries, id: id, path: n.path()}, 0, 0
}

// What makes no sense for a recorder yet is refused, so that nothing passes by unseen.

func (n *node) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (n *node) Symlink(context.Context, string, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (n *node) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// CopyFileRange has the kernel read and write instead.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}
