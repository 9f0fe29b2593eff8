package powercut

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
	r    *Recorder
	file *fs.LoopbackFile
	id   uint64
	path string // when it was opened
}

func (r *Recorder) handle(fh fs.FileHandle, id uint64, path string) *handle {
	return &handle{r: r, file: fh.(*fs.LoopbackFile), id: id, path: path}
}

func (h *handle) Read(ctx context.Context, p []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	return h.file.Read(ctx, p, at)
}

func (h *handle) Write(ctx context.Context, p []byte, at int64) (n uint32, errno syscall.Errno) {
	e := &Event{Op: Write, File: h.id, Path: h.path, Offset: at}
	errno = h.r.do(e, func() (errno syscall.Errno) {
		n, errno = h.file.Write(ctx, p, at)
		e.Length, e.Data = int64(n), append([]byte(nil), p[:n]...)
		return errno
	})
	return n, errno
}

func (h *handle) Allocate(ctx context.Context, at, length uint64, mode uint32) syscall.Errno {
	e := &Event{Op: Allocate, File: h.id, Path: h.path, Offset: int64(at), Length: int64(length)}
	switch mode {
	case 0:
	case unix.FALLOC_FL_KEEP_SIZE:
		e.Length = 0
	case unix.FALLOC_FL_KEEP_SIZE | unix.FALLOC_FL_PUNCH_HOLE:
		e.Op = Punch
	default:
		return syscall.EOPNOTSUPP
	}
	return h.r.do(e, func() syscall.Errno { return h.file.Allocate(ctx, at, length, mode) })
}

// Fsync needs nothing of the folder below: what a cut leaves is replayed from the recording.
func (h *handle) Fsync(context.Context, uint32) syscall.Errno {
	return h.r.do(&Event{Op: SyncFile, File: h.id, Path: h.path}, func() syscall.Errno { return 0 })
}

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
	r       *Recorder
	entries fs.DirStream
	id      uint64
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
	return f.r.do(&Event{Op: SyncDir, File: f.id, Path: f.path}, func() syscall.Errno { return 0 })
}

func (f *folder) Releasedir(context.Context, uint32) { f.entries.Close() }
