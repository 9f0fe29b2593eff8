package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync(2): the data, and what of the inode is needed to read it back.
func (f file) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return wrap("fdatasync", f.Name(), err)
		}
	}
}

func (f file) Punch(offset, length int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
	return wrap("punch", f.Name(), err)
}

func (OS) Free(name string) (free, size uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return 0, 0, wrap("statfs", name, err)
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}
