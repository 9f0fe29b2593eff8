package pid1

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Where things are in the appliance.
const (
	bootPoint = "/boot" // the EFI system partition, read-only but for moments
	dataPoint = "/data"
	runFolder = "/run"

	cgroupPoint  = "/sys/fs/cgroup"
	efiPoint     = "/sys/firmware/efi/efivars"
	resolvFile   = "/etc/resolv.conf"
	watchdogFile = "/dev/watchdog"
)

type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

const (
	noFiles = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	noExec  = unix.MS_NOSUID | unix.MS_NOEXEC
)

// base is what every program expects to be there.
var base = []mount{
	{"devtmpfs", "/dev", "devtmpfs", noExec, "mode=0755"},
	{"proc", "/proc", "proc", noFiles, ""},
	{"sysfs", "/sys", "sysfs", noFiles, ""},
	{"tmpfs", runFolder, "tmpfs", noFiles, "mode=0755,size=16m"},
	{"tmpfs", "/tmp", "tmpfs", noFiles, "mode=1777,size=16m"},
	{"cgroup2", cgroupPoint, "cgroup2", noFiles, ""},
}

func (m mount) do() error {
	if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
		return fmt.Errorf("mount %s (%s) at %s: %w", m.source, m.kind, m.target, err)
	}
	return nil
}

func mountBase() error {
	var errs []error
	for _, m := range base {
		// The kernel may have mounted /dev by itself.
		if err := m.do(); err != nil && !errors.Is(err, unix.EBUSY) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// mountBoot mounts the EFI system partition, for root alone.
func mountBoot(device string) error {
	return mount{device, bootPoint, "vfat", noFiles | unix.MS_RDONLY, bootOptions}.do()
}

const bootOptions = "umask=077,errors=remount-ro"

// changeBoot lets change write to the EFI system partition: at other times no power cut can harm it.
func changeBoot(change func() error) error {
	remount := func(readOnly uintptr) error {
		return mount{"", bootPoint, "", noFiles | unix.MS_REMOUNT | readOnly, bootOptions}.do()
	}
	if err := remount(0); err != nil {
		return err
	}
	return errors.Join(change(), remount(unix.MS_RDONLY))
}

func mountData(device string) error {
	return mount{device, dataPoint, "ext4", noFiles | unix.MS_NOATIME, "errors=remount-ro"}.do()
}

// unmount leaves a file system clean: unmounted, or else read-only.
func unmount(point string) error {
	err := unix.Unmount(point, 0)
	if errors.Is(err, unix.EINVAL) { // it isn't mounted
		return nil
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("unmount %s: %w", point, err),
			mount{"", point, "", unix.MS_REMOUNT | unix.MS_RDONLY, ""}.do())
	}
	return err
}

// isThere tells whether a file exists.
func isThere(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
