package disk

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"
)

// least is what growing is worth it for, octets.
const least = 8 << 20

// Grow gives a mounted ext4 partition, the last one of its disk, all space behind it: first the partition table, on
// disk and in the kernel, then the file system. Each step finds what an earlier try left, so that a power cut
// between them costs nothing. It gives the sizes of the file system, octets.
func Grow(p Partition, mountPoint string) (before, after uint64, err error) {
	if before, err = fileSystemSize(mountPoint); err != nil {
		return 0, 0, err
	}
	if err := growPartition(p); err != nil {
		return before, before, fmt.Errorf("grow partition %s: %w", p.Device, err)
	}
	if err := growFileSystem(p, mountPoint); err != nil {
		return before, before, fmt.Errorf("grow the file system on %s: %w", p.Device, err)
	}
	after, err = fileSystemSize(mountPoint)
	return before, after, err
}

func fileSystemSize(mountPoint string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(mountPoint, &s); err != nil {
		return 0, fmt.Errorf("size of the file system at %s: %w", mountPoint, err)
	}
	return s.Blocks * uint64(s.Bsize), nil
}

// growPartition writes the table anew, if that is worth it, and tells the kernel.
func growPartition(p Partition) error {
	f, err := os.OpenFile(p.Disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := blockSize(f)
	if err != nil {
		return err
	}
	table, err := gpt.Read(file.New(f, true), sector, sector)
	if err != nil {
		return err
	}
	one, err := grownTable(table, p.Number, size)
	if err != nil {
		return err
	}
	if one.changed {
		writable, err := file.New(f, false).Writable()
		if err != nil {
			return err
		}
		if err := table.Write(writable, int64(size)); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return resizeInKernel(f, p, one.start, one.length)
}

type grown struct {
	changed       bool
	start, length uint64 // octets
}

// grownTable changes a table to a disk's size.
func grownTable(table *gpt.Table, number int, size uint64) (grown, error) {
	var target *gpt.Partition
	for _, p := range table.Partitions {
		if p.Index == number {
			target = p
		}
	}
	if target == nil {
		return grown{}, fmt.Errorf("the table has no partition %d", number)
	}
	for _, p := range table.Partitions {
		if p.Start > target.End {
			return grown{}, fmt.Errorf("partition %d is behind it", p.Index)
		}
	}
	table.Resize(size / sector * sector)
	// Whole MiB, as all that cares for alignment wants it.
	end := (table.LastDataSector()+1)*sector>>20<<20/sector - 1
	changed := end > target.End && (end-target.End)*sector >= least
	if changed {
		target.Expand(end - target.End)
	}
	return grown{changed, target.Start * sector, (target.End - target.Start + 1) * sector}, nil
}

func blockSize(f *os.File) (size uint64, err error) {
	err = ioctl(f, unix.BLKGETSIZE64, unsafe.Pointer(&size))
	return size, err
}

// resizeInKernel tells the kernel of a partition's size; to read the whole table anew (BLKRRPART) is refused while
// one is mounted.
func resizeInKernel(f *os.File, p Partition, start, length uint64) error {
	partition := blkpgPartition{start: int64(start), length: int64(length), number: int32(p.Number)}
	request := unix.BlkpgIoctlArg{
		Op: unix.BLKPG_RESIZE_PARTITION, Datalen: int32(unsafe.Sizeof(partition)), Data: (*byte)(unsafe.Pointer(&partition)),
	}
	err := ioctl(f, unix.BLKPG, unsafe.Pointer(&request))
	runtime.KeepAlive(&partition)
	return err
}

// blkpgPartition is struct blkpg_partition of linux/blkpg.h.
type blkpgPartition struct {
	start, length int64 // octets
	number        int32
	_             [64]byte // names that nobody reads
	_             [64]byte
}

// growFileSystem has the kernel grow a mounted ext4 to its partition.
func growFileSystem(p Partition, mountPoint string) error {
	device, err := os.Open(p.Device)
	if err != nil {
		return err
	}
	size, err := blockSize(device)
	if err = errors.Join(err, device.Close()); err != nil {
		return err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(mountPoint, &s); err != nil {
		return err
	}
	blocks := size / uint64(s.Bsize)
	// Blocks that the file system holds itself are not in s.Blocks. To ask for what it has already is no error.
	point, err := os.Open(mountPoint)
	if err != nil {
		return err
	}
	defer point.Close()
	const resize = 0x40086610 // EXT4_IOC_RESIZE_FS: _IOW('f', 16, __u64), the number of blocks
	return ioctl(point, resize, unsafe.Pointer(&blocks))
}

func ioctl(f *os.File, request uint, argument unsafe.Pointer) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = c.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(argument))
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("ioctl", errno)
	}
	return err
}
