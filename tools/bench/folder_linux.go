package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// workFolder makes a folder of this run's own in parent.
func workFolder(parent string) (string, error) {
	parent, err := filepath.Abs(parent)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(parent, &st); err != nil {
		return "", &os.PathError{Op: "statfs", Path: parent, Err: err}
	}
	if st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return "", fmt.Errorf("%s is in memory: -dir names a folder on a disk", parent)
	}
	dir, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return "", err
	}
	// Root's Dovecot goes through it as another user; what is inside has its own modes.
	return dir, os.Chmod(dir, 0o711)
}
