// Package disk finds the box's partitions, checks them, and grows the data partition to its disk. It never formats.
package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"postroom/board"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

const sector = 512 // octets; images are made for it

// A Partition is one of a disk.
type Partition struct {
	Disk   string // device of the whole disk
	Device string
	Number int
	GUID   string // upper case
}

// A Layout is the partitions of the box's disk.
type Layout struct{ Boot, Data Partition }

// ErrNone says that no disk is the box's; one may still appear.
var ErrNone = errors.New("no disk with the partitions of a Postroom is there")

// Find looks at all disks for one with an EFI system partition and a data partition, both by type and label. boot is
// the GUID of the partition that the firmware started from, empty if it isn't known. There may be more than one such
// disk with it, as copies of one image have the same: the first by name is taken, and all are given.
func Find(boot string) (Layout, []string, error) { return find("/sys/block", "/dev", boot) }

func find(sys, dev, boot string) (Layout, []string, error) {
	entries, err := os.ReadDir(sys) // in order of names
	if err != nil {
		return Layout{}, nil, fmt.Errorf("list disks: %w", err)
	}
	var found Layout
	var disks []string
	for _, entry := range entries {
		layout, ok := look(sys, dev, entry.Name())
		if !ok || boot != "" && !strings.EqualFold(layout.Boot.GUID, boot) {
			continue
		}
		if len(disks) == 0 {
			found = layout
		}
		disks = append(disks, layout.Boot.Disk)
	}
	if len(disks) == 0 {
		return Layout{}, nil, ErrNone
	}
	return found, disks, nil
}

// look looks at one disk.
func look(sys, dev, name string) (Layout, bool) {
	disk := filepath.Join(dev, name)
	table, err := readTable(disk)
	if err != nil {
		return Layout{}, false // no table, or no medium
	}
	var layout Layout
	for _, p := range table.Partitions {
		var at *Partition
		switch {
		case strings.EqualFold(string(p.Type), board.BootType) && p.Name == board.BootLabel:
			at = &layout.Boot
		case strings.EqualFold(string(p.Type), board.DataType) && p.Name == board.DataLabel:
			at = &layout.Data
		default:
			continue
		}
		device, err := partitionName(filepath.Join(sys, name), p.Index)
		if err != nil {
			return Layout{}, false // the kernel hasn't read the table yet
		}
		*at = Partition{disk, filepath.Join(dev, device), p.Index, strings.ToUpper(p.GUID)}
	}
	return layout, layout.Boot.Device != "" && layout.Data.Device != ""
}

// partitionName gives the kernel's name of a disk's partition.
func partitionName(sysDisk string, number int) (string, error) {
	files, err := filepath.Glob(filepath.Join(sysDisk, "*", "partition"))
	if err != nil {
		return "", err
	}
	for _, one := range files {
		if text, err := os.ReadFile(one); err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(number) {
			return filepath.Base(filepath.Dir(one)), nil
		}
	}
	return "", fs.ErrNotExist
}

// readTable reads a disk's GPT.
func readTable(disk string) (*gpt.Table, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := checkHeader(f); err != nil {
		return nil, err
	}
	return gpt.Read(file.New(f, true), sector, sector)
}

// checkHeader refuses a table of a size that nobody makes: what gpt.Read takes for it is memory.
func checkHeader(f *os.File) error {
	header := make([]byte, sector)
	if _, err := f.ReadAt(header, sector); err != nil {
		return err
	}
	if string(header[:8]) != "EFI PART" {
		// Without a protective MBR there was none; else its copy at the end may be whole.
		mbr := make([]byte, sector)
		if _, err := f.ReadAt(mbr, 0); err != nil {
			return err
		}
		if mbr[446+4] != 0xee {
			return errors.New("no partition table")
		}
		return nil
	}
	if n, size := binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:]); n > 1024 || size != gpt.PartitionEntrySize {
		return fmt.Errorf("partition table of %d entries of %d octets", n, size)
	}
	return nil
}
