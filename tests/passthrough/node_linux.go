package passthrough

import (
	"context"
	"path"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// node is a file or a folder.
type node struct {
	*fs.LoopbackNode
	m *Mounted
}

func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: ops.(*fs.LoopbackNode), m: n.m}
}

func (n *node) path() string {
	if n.IsRoot() {
		return "."
	}
	return n.Path(nil)
}

func (n *node) child(base string) string { return path.Join(n.path(), base) }

func (n *node) ino() uint64 { return n.StableAttr().Ino }

func (n *node) Create(ctx context.Context, base string, flags, mode uint32, out *fuse.EntryOut) (i *fs.Inode, fh fs.FileHandle, _ uint32, errno syscall.Errno) {
	c := &Call{Op: Create, Path: n.child(base), Mode: mode & 0o777}
	errno = n.m.layer(c, func() (errno syscall.Errno) {
		i, fh, _, errno = n.LoopbackNode.Create(ctx, base, flags, mode, out)
		if errno == 0 {
			c.Ino = i.StableAttr().Ino
		}
		return errno
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return i, n.m.handle(fh, c.Ino, c.Path), n.m.opened(c.Path, c.Ino, true), 0
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, _, errno := n.LoopbackNode.Open(ctx, flags&^syscall.O_TRUNC)
	if errno != 0 {
		return nil, 0, errno
	}
	h := n.m.handle(fh, n.ino(), n.path())
	if flags&syscall.O_TRUNC != 0 {
		var in fuse.SetAttrIn
		in.Valid = fuse.FATTR_SIZE
		var out fuse.AttrOut
		if errno := n.Setattr(ctx, h, &in, &out); errno != 0 {
			h.Release(ctx) // it says nothing new
			return nil, 0, errno
		}
	}
	return h, n.m.opened(h.path, h.ino, false), 0
}

func (n *node) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if h, ok := fh.(*handle); ok {
		fh = h.file
	}
	size, ok := in.GetSize()
	if !ok {
		return n.LoopbackNode.Setattr(ctx, fh, in, out)
	}
	return n.m.layer(&Call{Op: Truncate, Ino: n.ino(), Path: n.path(), Length: int64(size)}, func() syscall.Errno {
		return n.LoopbackNode.Setattr(ctx, fh, in, out)
	})
}

func (n *node) Mkdir(ctx context.Context, base string, mode uint32, out *fuse.EntryOut) (i *fs.Inode, errno syscall.Errno) {
	c := &Call{Op: Mkdir, Path: n.child(base), Mode: mode & 0o777}
	return i, n.m.layer(c, func() (errno syscall.Errno) {
		i, errno = n.LoopbackNode.Mkdir(ctx, base, mode, out)
		if errno == 0 {
			c.Ino = i.StableAttr().Ino
		}
		return errno
	})
}

func (n *node) Unlink(ctx context.Context, base string) syscall.Errno {
	return n.m.layer(&Call{Op: Remove, Path: n.child(base)}, func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, base) })
}

func (n *node) Rmdir(ctx context.Context, base string) syscall.Errno {
	return n.m.layer(&Call{Op: Remove, Path: n.child(base)}, func() syscall.Errno { return n.LoopbackNode.Rmdir(ctx, base) })
}

func (n *node) Rename(ctx context.Context, base string, to fs.InodeEmbedder, newBase string, flags uint32) syscall.Errno {
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL // nobody has exchanged names yet
	}
	return n.m.layer(&Call{Op: Rename, Path: n.child(base), To: to.(*node).child(newBase)}, func() syscall.Errno {
		return n.LoopbackNode.Rename(ctx, base, to, newBase, flags)
	})
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, base string, out *fuse.EntryOut) (i *fs.Inode, errno syscall.Errno) {
	return i, n.m.layer(&Call{Op: Link, Path: target.(*node).path(), To: n.child(base)}, func() (errno syscall.Errno) {
		i, errno = n.LoopbackNode.Link(ctx, target, base, out)
		return errno
	})
}

func (n *node) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	entries, errno := fs.NewLoopbackDirStream(filepath.Join(n.m.real, n.path()))
	if errno != 0 {
		return nil, 0, errno
	}
	return &folder{m: n.m, entries: entries, ino: n.ino(), path: n.path()}, 0, 0
}

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
