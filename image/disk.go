package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"postroom/board"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

const (
	mib    = 1 << 20
	sector = 512 // octets

	// espSize is room for two slots, and a third image that an update writes before the oldest goes.
	espSize = 128 * mib
	// dataSize is one whole group of ext4: how many inodes a group has can't be changed when it grows.
	dataSize = 128 * mib

	dataStart = board.BootOffset + espSize
	diskSize  = dataStart + dataSize + mib // the last one for the second table
)

// makeDisk writes the disk image under another name, and renames it when it is whole.
func (b *build) makeDisk(ctx context.Context, s *system, uki []byte) error {
	if err := os.WriteFile(filepath.Join(b.temp, "uki.efi"), uki, 0o644); err != nil {
		return err
	}
	inputs, err := b.inputs(s, uki)
	if err != nil {
		return err
	}
	esp, err := b.makeESP(ctx, s, inputs)
	if err != nil {
		return err
	}
	data, err := b.makeData(ctx, inputs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.Out), 0o755); err != nil {
		return err
	}
	part := b.Out + ".part"
	defer os.Remove(part)
	disk, err := os.Create(part)
	if err != nil {
		return err
	}
	err = joinFirst(
		disk.Truncate(diskSize),
		writeTable(disk, inputs),
		copySparse(disk, board.BootOffset, esp),
		copySparse(disk, dataStart, data),
	)
	if err := errors.Join(err, disk.Close()); err != nil {
		return fmt.Errorf("disk image: %w", err)
	}
	return os.Rename(part, b.Out)
}

// inputs is all that decides what is on the disk: its identifiers come from it.
func (b *build) inputs(s *system, uki []byte) ([]byte, error) {
	all := slices.Clone(uki)
	for _, name := range []string{s.loader, b.Settings, b.ClientKeys} {
		var content []byte
		if name != "" {
			var err error
			if content, err = os.ReadFile(name); err != nil {
				return nil, err
			}
		}
		all = binary.LittleEndian.AppendUint64(all, uint64(len(content)))
		all = append(all, content...)
	}
	return all, nil
}

func writeTable(disk *os.File, inputs []byte) error {
	partition := func(index int, kind gpt.Type, label string, start, size uint64) *gpt.Partition {
		return &gpt.Partition{
			Index: index, Type: kind, Name: label, GUID: identity(inputs, label).String(),
			Start: start / sector, End: (start+size)/sector - 1, Size: size,
		}
	}
	table := &gpt.Table{
		LogicalSectorSize: sector, PhysicalSectorSize: sector, ProtectiveMBR: true,
		GUID: identity(inputs, "disk").String(),
		Partitions: []*gpt.Partition{
			partition(1, board.BootType, board.BootLabel, board.BootOffset, espSize),
			partition(2, board.DataType, board.DataLabel, dataStart, dataSize),
		},
	}
	writable, err := file.New(disk, false).Writable()
	if err != nil {
		return err
	}
	return table.Write(writable, diskSize)
}

// copySparse copies a file to an offset, and leaves out what is zero there.
func copySparse(disk *os.File, offset int64, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(f, buf)
		if n > 0 && slices.ContainsFunc(buf[:n], func(c byte) bool { return c != 0 }) {
			if _, err := disk.WriteAt(buf[:n], offset); err != nil {
				return err
			}
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// makeData makes the empty data partition. 8 KiB a inode and a journal of 32 MiB are for the size it grows to.
func (b *build) makeData(ctx context.Context, inputs []byte) (string, error) {
	out := filepath.Join(b.temp, "data.img")
	return out, command(ctx, []string{"MKE2FS_CONFIG=/dev/null", "E2FSPROGS_FAKE_TIME=" + epoch}, "mke2fs", "-q", "-F", "-t", "ext4",
		"-b", "4096", "-i", "8192", "-I", "256", "-m", "0", "-J", "size=32", "-L", board.DataLabel,
		"-O", "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum",
		"-U", identity(inputs, "data file system").String(),
		"-E", "hash_seed="+identity(inputs, "data hash seed").String()+",lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0",
		out, "128M")
}

// makeESP makes the EFI system partition with the first slot.
func (b *build) makeESP(ctx context.Context, s *system, inputs []byte) (string, error) {
	out := filepath.Join(b.temp, "esp.img")
	if err := os.WriteFile(out, nil, 0o644); err != nil {
		return "", err
	}
	if err := os.Truncate(out, espSize); err != nil {
		return "", err
	}
	id := identity(inputs, "boot file system")
	err := command(ctx, nil, "mkfs.vfat", "--invariant", "-F", "32", "-s", "2", "-n", "POSTROOM",
		"-i", fmt.Sprintf("%x", id[:4]), out)
	if err != nil {
		return "", err
	}
	loader := filepath.Join(b.temp, "loader.conf")
	if err := os.WriteFile(loader, []byte("timeout 0\neditor no\n"), 0o644); err != nil {
		return "", err
	}
	type copied struct{ from, to string }
	files := []copied{
		{s.loader, "EFI/BOOT/BOOTX64.EFI"},
		{loader, "loader/loader.conf"},
		{filepath.Join(b.temp, "uki.efi"), board.SlotFolder + "/postroom_" + b.Version + ".efi"},
	}
	if b.Settings != "" {
		files = append(files, copied{b.Settings, board.SettingsFile})
	}
	if b.ClientKeys != "" {
		files = append(files, copied{b.ClientKeys, board.ClientKeysFile})
	}
	env := []string{"MTOOLS_SKIP_CHECK=1", "MTOOLSRC=/dev/null"}
	made := make(map[string]bool)
	for _, one := range files {
		for _, folder := range parents(one.to) {
			if made[folder] {
				continue
			}
			made[folder] = true
			if err := command(ctx, env, "mmd", "-i", out, "::/"+folder); err != nil {
				return "", err
			}
		}
		if err := command(ctx, env, "mcopy", "-i", out, one.from, "::/"+one.to); err != nil {
			return "", err
		}
	}
	return out, nil
}

// parents gives the folders that a file is in, outermost first.
func parents(name string) []string {
	var all []string
	for folder := filepath.Dir(name); fs.ValidPath(folder) && folder != "."; folder = filepath.Dir(folder) {
		all = append(all, folder)
	}
	slices.Reverse(all)
	return all
}
