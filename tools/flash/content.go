package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"postroom/board"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

const (
	sector = 512     // octets; images are made for it
	edge   = 1 << 20 // octets at a disk's beginning and at its end, where partition tables and most of what else says what a disk is are
)

// content is what is on a disk.
type content struct {
	shown []string // a line a partition, or what else there is
	blank bool     // nothing at its edges: new, or erased
	boot  *extent  // of a Postroom, by type and label; nil: none
	data  *extent
}

// An extent is where a partition is, octets.
type extent struct{ start, size int64 }

// inspect looks at a disk or a disk image.
func inspect(f *os.File, size int64) (content, error) {
	var c content
	first, last := make([]byte, min(edge, size)), make([]byte, min(edge, size))
	if _, err := f.ReadAt(first, 0); err != nil {
		return c, fmt.Errorf("read its beginning: %w", err)
	}
	if _, err := f.ReadAt(last, size-int64(len(last))); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("read its end: %w", err)
	}
	if c.blank = erased(first) && erased(last); c.blank || len(first) < 2*sector {
		return c, nil
	}
	table, err := readTable(f, first)
	if err != nil {
		c.shown = oldTable(first)
		return c, nil
	}
	for _, p := range table.Partitions {
		if p.Type == gpt.Unused || p.Start < 2 || p.End < p.Start || p.End >= uint64(size/sector) {
			continue
		}
		at := &extent{int64(p.Start) * sector, int64(p.End-p.Start+1) * sector}
		switch kind := strings.ToUpper(string(p.Type)); {
		case kind == board.BootType && p.Name == board.BootLabel && c.boot == nil:
			c.boot = at
		case kind == board.DataType && p.Name == board.DataLabel && c.data == nil:
			c.data = at
		}
		c.shown = append(c.shown, fmt.Sprintf("partition %d: %s, %q", p.Index, gibibytes(at.size), p.Name))
	}
	if len(c.shown) == 0 {
		c.shown = []string{"a partition table (GPT) without partitions"}
	}
	return c, nil
}

// erased says whether all octets are the same, 0 or what erased flash memory reads as.
func erased(part []byte) bool {
	for _, one := range part {
		if one != part[0] || one != 0 && one != 0xff {
			return false
		}
	}
	return true
}

// readTable reads a GPT, or its copy at the end. What it takes for that is memory: a size that nobody makes is refused.
func readTable(f *os.File, first []byte) (*gpt.Table, error) {
	if header := first[sector:]; string(header[:8]) == "EFI PART" {
		n, size := binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:])
		if n > 1024 || size != gpt.PartitionEntrySize {
			return nil, fmt.Errorf("partition table of %d entries of %d octets", n, size)
		}
	}
	return gpt.Read(file.New(f, true), sector, sector)
}

// oldTable shows the partitions of an MBR: four entries of 16 octets, whose fifth is the type, and the signature.
func oldTable(first []byte) []string {
	const entries, length = 446, 16
	var shown []string
	if first[510] == 0x55 && first[511] == 0xaa {
		for i := range 4 {
			entry := first[entries+i*length:][:length]
			if size := binary.LittleEndian.Uint32(entry[12:]); entry[4] != 0 && size != 0 && entry[0]&0x7f == 0 {
				shown = append(shown, fmt.Sprintf("partition %d: %s, type %02x", i+1, gibibytes(int64(size)*sector), entry[4]))
			}
		}
	}
	if shown == nil {
		shown = []string{"data, but no partition table that can be read"}
	}
	return shown
}
