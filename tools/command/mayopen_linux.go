package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// mayOpen says why the store in dir can't be opened by this process: another one has it open, or the files that
// this user would make there would shut out the store's own user.
func mayOpen(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() {
		return fmt.Errorf("the store %q belongs to user id %d: run this as that user", dir, owner)
	}
	f, err := os.Open(filepath.Join(dir, "index.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	// bbolt holds this lock while the index is open.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("the store %q is open in another process", dir)
	} else if err != nil {
		return fmt.Errorf("lock %q: %w", f.Name(), err)
	}
	return nil
}
