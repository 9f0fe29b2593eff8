package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// deviceNumber gives a block device's MAJOR:MINOR.
func deviceNumber(path string) (string, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if s.Mode&unix.S_IFMT != unix.S_IFBLK {
		return "", errors.New("it is not a block device")
	}
	return fmt.Sprintf("%d:%d", unix.Major(s.Rdev), unix.Minor(s.Rdev)), nil
}

// isDevice tells a disk from a file that stands for one.
func isDevice(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeDevice != 0
}

// forget has a disk's content read from the disk from now on, not from memory. It must be synced.
func forget(f *os.File) error {
	if !isDevice(f) {
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	if err := unix.IoctlSetInt(int(f.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return fmt.Errorf("empty the cache of %s: %w", f.Name(), err)
	}
	return nil
}

// reread has the kernel read the partition table again. A program that looks at each new partition may be in the way
// for a moment.
func reread(ctx context.Context, f *os.File) error {
	if !isDevice(f) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := unix.IoctlSetInt(int(f.Fd()), unix.BLKRRPART, 0)
		// A loop device without partitions, and a driver that has none, say EINVAL.
		if err == nil || errors.Is(err, unix.EINVAL) {
			return nil
		}
		select {
		case <-again.C:
			if errors.Is(err, unix.EBUSY) {
				continue
			}
		case <-ctx.Done():
		}
		return fmt.Errorf("have the kernel read the partition table of %s: %w", f.Name(), err)
	}
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
