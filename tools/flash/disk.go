package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A disk is open for writing, and nobody else's as long as it is.
type disk struct {
	facts
	file *os.File

	cut func() error // for tests: before each change of the boot partition; nil: none
}

// facts are what the kernel knows of a disk.
type facts struct {
	path   string // as a person named it
	name   string // the kernel's
	size   int64  // octets
	sector int    // octets
	model  string // empty: unknown, as is the serial number
	serial string
}

// A machine is where the kernel tells of disks; tests make their own.
type machine struct {
	sys, proc string
	number    func(device string) (string, error) // MAJOR:MINOR of a block device's file
}

var thisMachine = machine{"/sys", "/proc", deviceNumber}

// open takes a disk. What is no whole disk, is in use or can't be written is refused, and the error says why.
func open(m machine, path string) (*disk, error) {
	known, err := m.look(path)
	if err != nil {
		return nil, fmt.Errorf("disk %s: %w", path, err)
	}
	// The kernel gives an exclusive disk to one alone: while it is open nothing on it can be mounted, and what is
	// in use in a way that wasn't seen above is refused here.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_EXCL, 0)
	switch {
	case errors.Is(err, syscall.EBUSY):
		return nil, fmt.Errorf("disk %s: it is in use: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: only root may write to a disk", err)
	case err != nil:
		return nil, err
	}
	return &disk{facts: known, file: file}, nil
}

// look finds out about a disk, and refuses it for all reasons that there are.
func (m machine) look(path string) (facts, error) {
	number, err := m.number(path)
	if err != nil {
		return facts{}, err
	}
	folder, err := filepath.EvalSymlinks(filepath.Join(m.sys, "dev/block", number))
	if err != nil {
		return facts{}, fmt.Errorf("find block device %s: %w", number, err)
	}
	known := facts{path: path, name: filepath.Base(folder), sector: 512}
	if exists(filepath.Join(folder, "partition")) {
		return known, fmt.Errorf("it is a partition of /dev/%s, and a whole disk is needed", filepath.Base(filepath.Dir(folder)))
	}
	for _, kind := range []string{"dm", "md"} {
		if exists(filepath.Join(folder, kind)) {
			return known, errors.New("it is made of other disks (LVM, encryption or RAID), and a disk is needed")
		}
	}
	sectors, err := strconv.ParseInt(attribute(folder, "size"), 10, 64)
	if err != nil {
		return known, fmt.Errorf("its size: %w", err)
	}
	known.size = sectors * 512 // sysfs counts these, whatever the disk's sectors are
	if n, err := strconv.Atoi(attribute(folder, "queue/logical_block_size")); err == nil {
		known.sector = n
	}
	known.model = model(folder)
	known.serial = m.serial(folder)
	switch {
	case known.size == 0:
		return known, errors.New("it has no medium")
	case attribute(folder, "ro") == "1":
		return known, errors.New("it is read-only")
	}
	return known, m.unused(folder)
}

// model is what the maker calls it.
func model(folder string) string {
	for _, name := range []string{"device/model", "device/name", "loop/backing_file"} {
		if text := attribute(folder, name); text != "" {
			return strings.TrimSpace(attribute(folder, "device/vendor") + " " + text)
		}
	}
	return ""
}

// serial looks at the disk, and then at what it hangs on, up to the USB device if it has one: each kind of disk tells
// its number elsewhere.
func (m machine) serial(folder string) string {
	top, err := filepath.EvalSymlinks(m.sys)
	if err != nil {
		return ""
	}
	for ; len(folder) > len(top) && strings.HasPrefix(folder, top); folder = filepath.Dir(folder) {
		for _, name := range []string{"serial", "device/serial"} {
			if text := attribute(folder, name); text != "" {
				return text
			}
		}
		// SCSI's page "unit serial number": 4 octets of header. ATA disks have it too.
		if page := attribute(folder, "device/vpd_pg80"); len(page) > 4 {
			if text := strings.Trim(page[4:], " \x00\n"); text != "" {
				return text
			}
		}
		if exists(filepath.Join(folder, "idVendor")) {
			return "" // above it are hubs, which have numbers of their own
		}
	}
	return ""
}

// attribute gives a file of sysfs, empty if it isn't there.
func attribute(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
