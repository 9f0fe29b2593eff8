package passthrough

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mounted is the file system at its place.
type Mounted struct {
	server *fuse.Server
	real   string // the folder below
	layer  Layer
	direct func(path string) bool

	mu    sync.Mutex
	fresh map[uint64]bool // inodes of which the kernel has cached nothing but what stands below
}

// Mount mounts it over the folder real at the folder dir. It needs root and /dev/fuse. Files that direct says are read past
// the kernel's cache, so that each read is a call, and can't be mapped; nil: none.
func Mount(real, dir, name string, layer Layer, direct func(path string) bool) (*Mounted, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(real, &st); err != nil {
		return nil, fmt.Errorf("mount over %s: %w", real, err)
	}
	m := &Mounted{real: real, layer: layer, direct: direct, fresh: make(map[uint64]bool)}
	below := &fs.LoopbackRoot{Path: real, Dev: st.Dev}
	root := &node{LoopbackNode: &fs.LoopbackNode{RootData: below}, m: m}
	below.RootNode = root
	forever := time.Hour // nothing changes but through here
	var err error
	m.server, err = fs.Mount(dir, root, &fs.Options{
		AttrTimeout: &forever, EntryTimeout: &forever,
		RootStableAttr: &fs.StableAttr{Ino: st.Ino, Mode: fuse.S_IFDIR},
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true, AllowOther: true, MaxWrite: 1 << 20, FsName: "postroom-" + name, Name: name,
			// What the kernel forgets by itself it may forget between a write and its passing on, and then cache what was
			// there before.
			ExplicitDataCacheControl: true,
			DisableReadDirPlus:       true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("mount over %s (it needs root and /dev/fuse): %w", real, err)
	}
	return m, nil
}

// Unmount ends it. No process may have a file open there.
func (m *Mounted) Unmount() error { return m.server.Unmount() }

// Forget has what is cached of each file forgotten when it is opened next: a write that the layer refused may still stand in
// the cache. It's for when no program has a file open: what one thread writes while another opens the file could then be
// cached as it was before.
func (m *Mounted) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.fresh)
}

// opened gives how the kernel is to treat an open file's cache.
func (m *Mounted) opened(path string, ino uint64, made bool) (flags uint32) {
	if m.direct != nil && m.direct(path) {
		return fuse.FOPEN_DIRECT_IO
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if made || m.fresh[ino] {
		flags = fuse.FOPEN_KEEP_CACHE
	}
	m.fresh[ino] = true
	return flags
}
