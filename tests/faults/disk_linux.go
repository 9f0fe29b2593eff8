package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Disk is a file system over a folder that passes everything on, and fails where it is told to. Its program must be
// another process than this one, for a page fault in a file that this process maps would wait for this process.
type Disk struct {
	server *fuse.Server

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	faults []*Fault
	failed int
}

// Fault is what fails of a Disk for a while.
type Fault struct {
	Part  string   // of the path: bodies/, notes/, index.db, checkpoint-, index.state
	Ops   []string // write, sync, create, rename, remove, truncate, allocate
	Errno syscall.Errno
	Short bool    // a write that fails is cut short first; the next one gets the error
	Share float64 // of the calls that fail
}

func (f *Fault) String() string {
	text := fmt.Sprintf("%s of %s: %v", strings.Join(f.Ops, ", "), f.Part, f.Errno)
	if f.Short {
		text += " behind short writes"
	}
	return fmt.Sprintf("%s, %.0f %%", text, f.Share*100)
}

// Mount mounts a Disk over the folder real at the folder dir. It needs root and /dev/fuse.
func Mount(real, dir string, seed uint64) (*Disk, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(real, &st); err != nil {
		return nil, fmt.Errorf("mount over %s: %w", real, err)
	}
	d := &Disk{random: rand.New(rand.NewPCG(seed, 2))}
	below := &fs.LoopbackRoot{Path: real, Dev: st.Dev}
	root := &node{LoopbackNode: &fs.LoopbackNode{RootData: below}, disk: d}
	below.RootNode = root
	unchanged := time.Hour // by anyone but through here
	var err error
	d.server, err = fs.Mount(dir, root, &fs.Options{
		AttrTimeout: &unchanged, EntryTimeout: &unchanged,
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true, AllowOther: true, MaxWrite: 1 << 20, DisableReadDirPlus: true,
			FsName: "postroom-faults", Name: "faults",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("mount over %s (it needs root and /dev/fuse): %w", real, err)
	}
	return d, nil
}

// Unmount ends it. No process may have a file open there.
func (d *Disk) Unmount() error { return d.server.Unmount() }

// Fail has calls fail until the end that it gives.
func (d *Disk) Fail(f *Fault) (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, f)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.faults = slices.DeleteFunc(d.faults, func(g *Fault) bool { return g == f })
	}
}

// Failed is how many calls have failed so far.
func (d *Disk) Failed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// fails gives the fault that hits a call; nil: none does.
func (d *Disk) fails(op, name string) *Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.faults {
		if slices.Contains(f.Ops, op) && strings.HasPrefix(name, f.Part) && d.random.Float64() < f.Share {
			d.failed++
			return f
		}
	}
	return nil
}

// ask gives the error of a call that does nothing when it fails.
func (d *Disk) ask(op, name string) syscall.Errno {
	if f := d.fails(op, name); f != nil {
		return f.Errno
	}
	return 0
}

// node is a file or a folder.
type node struct {
	*fs.LoopbackNode
	disk *Disk
}

func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: ops.(*fs.LoopbackNode), disk: n.disk}
}

// path is relative; a folder's ends in a slash.
func (n *node) path() string {
	if n.IsDir() {
		return strings.TrimPrefix(n.Path(nil)+"/", "/")
	}
	return n.Path(nil)
}

func (n *node) child(base string) string { return path.Join(n.path(), base) }

func (n *node) Create(ctx context.Context, base string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.disk.ask("create", n.child(base)); errno != 0 {
		return nil, nil, 0, errno
	}
	i, fh, _, errno := n.LoopbackNode.Create(ctx, base, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return i, n.handle(fh, n.child(base)), fuse.FOPEN_KEEP_CACHE, 0
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, _, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return n.handle(fh, n.path()), fuse.FOPEN_KEEP_CACHE, 0
}

func (n *node) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if h, ok := fh.(*handle); ok {
		fh = h.LoopbackFile
	}
	if _, ok := in.GetSize(); ok {
		if errno := n.disk.ask("truncate", n.path()); errno != 0 {
			return errno
		}
	}
	return n.LoopbackNode.Setattr(ctx, fh, in, out)
}

func (n *node) Unlink(ctx context.Context, base string) syscall.Errno {
	if errno := n.disk.ask("remove", n.child(base)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Unlink(ctx, base)
}

func (n *node) Rename(ctx context.Context, base string, to fs.InodeEmbedder, newBase string, flags uint32) syscall.Errno {
	if errno := n.disk.ask("rename", n.child(base)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rename(ctx, base, to, newBase, flags)
}

func (n *node) Fsync(ctx context.Context, fh fs.FileHandle, flags uint32) syscall.Errno {
	if h, ok := fh.(*handle); ok {
		return h.Fsync(ctx, flags)
	}
	return n.disk.ask("sync", n.path()) // of a folder
}

// CopyFileRange has the kernel read and write instead, which can fail here.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}

func (n *node) handle(fh fs.FileHandle, name string) *handle {
	return &handle{LoopbackFile: fh.(*fs.LoopbackFile), disk: n.disk, name: name}
}

// handle is an open file.
type handle struct {
	*fs.LoopbackFile
	disk *Disk
	name string // when it was opened

	mu   sync.Mutex
	next syscall.Errno // of the write behind one that was cut short
}

// Write that fails has written half, as a disk that fills or breaks in the middle of it does.
func (h *handle) Write(ctx context.Context, p []byte, at int64) (uint32, syscall.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errno := h.next; errno != 0 {
		h.next = 0
		return 0, errno
	}
	f := h.disk.fails("write", h.name)
	if f == nil {
		return h.LoopbackFile.Write(ctx, p, at)
	}
	n, errno := h.LoopbackFile.Write(ctx, p[:len(p)/2], at)
	switch {
	case errno != 0:
		return n, errno
	case f.Short && n > 0:
		h.next = f.Errno
		return n, 0
	}
	return 0, f.Errno
}

func (h *handle) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if errno := h.disk.ask("sync", h.name); errno != 0 {
		return errno
	}
	return h.LoopbackFile.Fsync(ctx, flags)
}

func (h *handle) Allocate(ctx context.Context, at, length uint64, mode uint32) syscall.Errno {
	if errno := h.disk.ask("allocate", h.name); errno != 0 {
		return errno
	}
	return h.LoopbackFile.Allocate(ctx, at, length, mode)
}

// PassthroughFd would have the kernel read and write past here.
func (h *handle) PassthroughFd() (int, bool) { return -1, false }

// Writev would write past here.
func (h *handle) Writev(ctx context.Context, data [][]byte, at int64) (uint32, syscall.Errno) {
	return h.Write(ctx, slices.Concat(data...), at)
}
