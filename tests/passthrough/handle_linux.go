package passthrough

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// handle is an open file. It offers less than the file below: neither a descriptor that the kernel may read and write past
// here, nor ioctl.
type handle struct {
	m    *Mounted
	file *fs.LoopbackFile
	ino  uint64
	path string // when it was opened
}

func (m *Mounted) handle(fh fs.FileHandle, ino uint64, path string) *handle {
	return &handle{m: m, file: fh.(*fs.LoopbackFile), ino: ino, path: path}
}

func (h *handle) Read(ctx context.Context, p []byte, at int64) (r fuse.ReadResult, errno syscall.Errno) {
	c := &Call{Op: Read, Ino: h.ino, Path: h.path, Offset: at, Length: int64(len(p))}
	return r, h.m.layer(c, func() (errno syscall.Errno) {
		r, errno = h.file.Read(ctx, p, at)
		return errno
	})
}

func (h *handle) Write(ctx context.Context, p []byte, at int64) (uint32, syscall.Errno) {
	c := &Call{Op: Write, Ino: h.ino, Path: h.path, Offset: at, Length: int64(len(p)), Data: p}
	errno := h.m.layer(c, func() syscall.Errno {
		n, errno := h.file.Write(ctx, c.Data, at)
		c.Length = int64(n)
		return errno
	})
	return uint32(c.Length), errno
}

func (h *handle) Allocate(ctx context.Context, at, length uint64, mode uint32) syscall.Errno {
	c := &Call{Op: Allocate, Ino: h.ino, Path: h.path, Offset: int64(at), Length: int64(length)}
	switch mode {
	case 0:
	case unix.FALLOC_FL_KEEP_SIZE:
		c.Length = 0
	case unix.FALLOC_FL_KEEP_SIZE | unix.FALLOC_FL_PUNCH_HOLE:
		c.Op = Punch
	default:
		return syscall.EOPNOTSUPP
	}
	return h.m.layer(c, func() syscall.Errno { return h.file.Allocate(ctx, at, length, mode) })
}

func (h *handle) Fsync(context.Context, uint32) syscall.Errno {
	return h.m.layer(&Call{Op: SyncFile, Ino: h.ino, Path: h.path}, done)
}

func done() syscall.Errno { return 0 }

func (h *handle) Getattr(ctx context.Context, out *fuse.AttrOut) syscall.Errno {
	return h.file.Getattr(ctx, out)
}

func (h *handle) Lseek(ctx context.Context, at uint64, whence uint32) (uint64, syscall.Errno) {
	return h.file.Lseek(ctx, at, whence)
}

func (h *handle) Flush(ctx context.Context) syscall.Errno   { return h.file.Flush(ctx) }
func (h *handle) Release(ctx context.Context) syscall.Errno { return h.file.Release(ctx) }

// folder is an open folder.
type folder struct {
	m       *Mounted
	entries fs.DirStream
	ino     uint64
	path    string
}

func (f *folder) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if !f.entries.HasNext() {
		return nil, 0
	}
	e, errno := f.entries.Next()
	return &e, errno
}

func (f *folder) Fsyncdir(context.Context, uint32) syscall.Errno {
	return f.m.layer(&Call{Op: SyncDir, Ino: f.ino, Path: f.path}, done)
}

func (f *folder) Releasedir(context.Context, uint32) { f.entries.Close() }
