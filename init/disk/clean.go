package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// The superblock of ext4 (the kernel's Documentation/filesystems/ext4/super.rst): 1024 octets at 1024.
const superblockSize = 1024

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Clean says whether an ext4 file system was unmounted in order and has no error on record, so that e2fsck -p would
// leave it as it is: to start that takes longer than to mount. Any doubt is an error.
func Clean(device string) error {
	f, err := os.Open(device)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, superblockSize)
	if _, err := f.ReadAt(block, superblockSize); err != nil {
		return fmt.Errorf("read the superblock of %s: %w", device, err)
	}
	return clean(block)
}

func clean(block []byte) error {
	const (
		magic       = 0xef53
		valid       = 1 << 0 // s_state: unmounted in order; no other bit may be set
		recover     = 1 << 2 // s_feature_incompat: the journal has something to be replayed
		checksummed = 1 << 10
	)
	u16 := func(at int) uint16 { return binary.LittleEndian.Uint16(block[at:]) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(block[at:]) }
	switch {
	case u16(0x38) != magic:
		return errors.New("it has no superblock of ext4")
	case u32(0x64)&checksummed == 0: // s_feature_ro_compat
		return errors.New("its superblock has no checksum")
	// The kernel's crc32c begins with all ones and doesn't invert at the end.
	case u32(0x3fc) != ^crc32.Checksum(block[:0x3fc], castagnoli):
		return errors.New("its superblock's checksum is wrong")
	case u16(0x3a) != valid:
		return fmt.Errorf("it was not unmounted in order: state %#b", u16(0x3a))
	case u32(0x60)&recover != 0:
		return errors.New("its journal is to be replayed")
	case u32(0xe8) != 0: // s_last_orphan
		return errors.New("files were being removed")
	case u32(0x194) != 0: // s_error_count
		return fmt.Errorf("%d errors are on record", u32(0x194))
	}
	return nil
}
