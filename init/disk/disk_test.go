package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postroom/board"
	"postroom/init/supervisor"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

const mib = 1 << 20

// makeDisk writes a disk of 64 MiB with the two partitions, and what the kernel would say of it.
func makeDisk(t *testing.T, sys, dev, name, id string) {
	t.Helper()
	disk, err := os.Create(filepath.Join(dev, name))
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	table := &gpt.Table{
		LogicalSectorSize: sector, PhysicalSectorSize: sector, ProtectiveMBR: true,
		Partitions: []*gpt.Partition{
			{Index: 1, Type: board.BootType, Name: board.BootLabel, GUID: id, Start: 2048, End: 16<<11 - 1},
			{Index: 2, Type: board.DataType, Name: board.DataLabel, Start: 16 << 11, End: 32<<11 - 1},
		},
	}
	writable, err := file.New(disk, false).Writable()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(disk.Truncate(64*mib), table.Write(writable, 64*mib)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		folder := filepath.Join(sys, name, fmt.Sprintf("%sp%d", name, i+1))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "partition"), fmt.Appendf(nil, "%d\n", i+1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const one, two = "11111111-2222-4333-8444-555555555AAA", "11111111-2222-4333-8444-555555555BBB"

func TestFind(t *testing.T) {
	t.Parallel()
	sys, dev := t.TempDir(), t.TempDir()
	if _, _, err := find(sys, dev, ""); !errors.Is(err, ErrNone) {
		t.Errorf("without disks: error %v, want ErrNone", err)
	}
	makeDisk(t, sys, dev, "nvme0n1", one)
	makeDisk(t, sys, dev, "nvme1n1", two)
	if err := errors.Join(os.Mkdir(filepath.Join(sys, "aaa"), 0o755), os.WriteFile(filepath.Join(dev, "aaa"), make([]byte, mib), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ boot, disk string }{{"", "nvme0n1"}, {one, "nvme0n1"}, {strings.ToLower(two), "nvme1n1"}} {
		got, _, err := find(sys, dev, c.boot)
		if want := filepath.Join(dev, c.disk+"p2"); err != nil || got.Data.Device != want || got.Data.Number != 2 {
			t.Errorf("find(%q) = %+v, %v, want data on %s", c.boot, got, err, want)
		}
	}
	if _, disks, _ := find(sys, dev, ""); len(disks) != 2 {
		t.Errorf("find gives disks %q, want both", disks)
	}
	if _, _, err := find(sys, dev, "another"); !errors.Is(err, ErrNone) {
		t.Errorf("started from another disk: error %v, want ErrNone", err)
	}
}

func TestFindUsesTheSecondTable(t *testing.T) {
	t.Parallel()
	sys, dev := t.TempDir(), t.TempDir()
	makeDisk(t, sys, dev, "vda", one)
	disk, err := os.OpenFile(filepath.Join(dev, "vda"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if _, err := disk.WriteAt(make([]byte, sector), sector); err != nil {
		t.Fatal(err)
	}
	if got, _, err := find(sys, dev, one); err != nil || got.Boot.GUID != one {
		t.Errorf("find = %+v, %v", got, err)
	}
}

func TestFindSurvivesWrongTables(t *testing.T) {
	t.Parallel()
	sys, dev := t.TempDir(), t.TempDir()
	makeDisk(t, sys, dev, "vda", one)
	disk, err := os.OpenFile(filepath.Join(dev, "vda"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if _, err := disk.WriteAt([]byte{0xff, 0xff, 0xff, 0x7f}, sector+80); err != nil { // number of entries
		t.Fatal(err)
	}
	if got, _, err := find(sys, dev, ""); !errors.Is(err, ErrNone) {
		t.Errorf("find = %+v, %v, want ErrNone", got, err)
	}
}

func TestGrownTable(t *testing.T) {
	t.Parallel()
	sys, dev := t.TempDir(), t.TempDir()
	makeDisk(t, sys, dev, "vda", one)
	for _, c := range []struct {
		name    string
		number  int
		size    uint64
		changed bool
		end     uint64 // octets; 0: refused
	}{
		{"the same disk", 2, 64 * mib, true, 63 * mib},
		{"a larger one", 2, 4096 * mib, true, 4095 * mib},
		{"a little larger", 2, 36 * mib, false, 32 * mib},
		{"one with something behind it", 1, 4096 * mib, false, 0},
		{"one that isn't there", 3, 4096 * mib, false, 0},
	} {
		table, err := readTable(filepath.Join(dev, "vda"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := grownTable(table, c.number, c.size)
		if (err != nil) != (c.end == 0) || got.changed != c.changed || got.start+got.length != c.end {
			t.Errorf("%s: %+v, %v, want changed %v, end %d", c.name, got, err, c.changed, c.end)
		}
	}
}

// local runs this machine's programs.
type local struct{ t *testing.T }

func (l local) Run(ctx context.Context, argv ...string) (supervisor.Exit, []byte, error) {
	output, err := exec.CommandContext(ctx, "e2fsck", argv[1:]...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status := exit.Sys().(syscall.WaitStatus)
		return supervisor.Exit{Status: status.ExitStatus()}, output, nil
	}
	return supervisor.Exit{}, output, err
}

func TestCheck(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	image := filepath.Join(t.TempDir(), "data.img")
	if out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", image, "16M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v: %s", err, out)
	}
	damage := func(offset int64, octets []byte) {
		t.Helper()
		f, err := os.OpenFile(image, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(octets, offset); err != nil {
			t.Fatal(err)
		}
	}
	if repaired, err := Check(t.Context(), local{t}, image); repaired != "" || err != nil {
		t.Errorf("whole: repaired %q, %v", repaired, err)
	}
	if err := Clean(image); err != nil {
		t.Errorf("whole: %v", err)
	}
	damage(1024+0x3a, []byte{0}) // state
	if err := Clean(image); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("with another state: error %v, want one of the checksum", err)
	}
	damage(1024+0x38, make([]byte, 1024)) // magic number and all behind it
	if _, err := Check(t.Context(), local{t}, image); err == nil || !strings.Contains(err.Error(), "superblock") && !strings.Contains(err.Error(), "super-block") {
		t.Errorf("without a superblock: error %v, want what e2fsck says", err)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		at    int
		value byte
		wrong string
	}{
		{"clean", 0x3a, 1, ""},
		{"another file system", 0x38, 0, "no superblock"},
		{"mounted when the power went", 0x3a, 0, "not unmounted"},
		{"with errors", 0x3a, 1 | 2, "not unmounted"},
		{"with a journal to be replayed", 0x60, 4, "journal"},
		{"with files that were being removed", 0xe8, 12, "being removed"},
		{"with errors on record", 0x194, 3, "3 errors"},
	} {
		block := make([]byte, superblockSize)
		binary.LittleEndian.PutUint16(block[0x38:], 0xef53)
		binary.LittleEndian.PutUint32(block[0x64:], 1<<10)
		block[0x3a] = 1
		block[c.at] = c.value
		binary.LittleEndian.PutUint32(block[0x3fc:], ^crc32.Checksum(block[:0x3fc], castagnoli))
		if err := clean(block); (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}
