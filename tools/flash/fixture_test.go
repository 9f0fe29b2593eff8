package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"postroom/board"
	"postroom/services/console/api"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// Sizes of an image like a real one but for its size; a disk, octets.
const (
	mib       = 1 << 20
	bootSize  = 8 * mib
	dataSize  = 4 * mib
	imageSize = mib + bootSize + dataSize + mib
	diskSize  = 40 * mib
)

// makeImage makes an image with a system and other files.
func makeImage(t *testing.T, version string, more map[string]string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image.img")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(imageSize); err != nil {
		t.Fatal(err)
	}
	partition := func(index int, kind gpt.Type, label string, start, size uint64) *gpt.Partition {
		return &gpt.Partition{Index: index, Type: kind, Name: label, Start: start / sector, End: (start+size)/sector - 1, Size: size}
	}
	writeTable(t, f, imageSize,
		partition(1, board.BootType, board.BootLabel, mib, bootSize),
		partition(2, board.DataType, board.DataLabel, mib+bootSize, dataSize))
	data := []byte(strings.Repeat("data of "+version+"\n", 1000))
	if _, err := f.WriteAt(data, mib+bootSize); err != nil {
		t.Fatal(err)
	}
	mtool(t, nil, "mformat", "-i", name+"@@1048576", "-T", fmt.Sprint(bootSize/sector), "-h", "64", "-s", "32", "::")
	putFile(t, name, loaderFile, "the loader")
	putFile(t, name, menuFile, "timeout 0\n")
	putFile(t, name, board.SlotFolder+"/postroom_"+version+".efi", system(version))
	for to, text := range more {
		putFile(t, name, to, text)
	}
	return name
}

func writeTable(t *testing.T, f *os.File, size int64, partitions ...*gpt.Partition) {
	t.Helper()
	table := &gpt.Table{LogicalSectorSize: sector, PhysicalSectorSize: sector, ProtectiveMBR: true, Partitions: partitions}
	to, err := file.New(f, false).Writable()
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Write(to, size); err != nil {
		t.Fatal(err)
	}
}

// system is what stands for one.
func system(version string) string { return strings.Repeat("system "+version+" ", 1<<15) }

// makeDisk makes a file that stands for a disk, with a content from its beginning on.
func makeDisk(t *testing.T, content []byte) *disk {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(diskSize); err != nil {
		t.Fatal(err)
	}
	return &disk{facts: facts{path: name, name: "sdx", size: diskSize, sector: sector, model: "Some Disk", serial: "S3R1AL"}, file: f}
}

// answers is a person who types something.
func answers(text string) (person, *bytes.Buffer) {
	var out bytes.Buffer
	return person{strings.NewReader(text), &out, true}, &out
}

// flashed flashes, which must go well.
func flashed(t *testing.T, d *disk, image, wipe string) string {
	t.Helper()
	yes, out := answers("yes\n")
	if err := flash(t.Context(), d, image, wipe, yes); err != nil {
		t.Fatalf("flash: %v\n%s", err, out)
	}
	return out.String()
}

// refused flashes, which must not be done, and leave the disk as it is. It gives the reason.
func refused(t *testing.T, d *disk, image, wipe string, p person) string {
	t.Helper()
	before := digest(t, d.file, 0, d.size)
	err := flash(t.Context(), d, image, wipe, p)
	if err == nil {
		t.Fatal("it was done")
	}
	if digest(t, d.file, 0, d.size) != before {
		t.Errorf("refused (%v), but the disk is not what it was", err)
	}
	return err.Error()
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}

func digest(t *testing.T, f *os.File, at, size int64) string {
	t.Helper()
	h := sha256.New()
	if n, err := io.Copy(h, io.NewSectionReader(f, at, size)); err != nil || n != size {
		t.Fatalf("%d of %d octets read: %v", n, size, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func mtool(t *testing.T, input []byte, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1")
	var out, problem bytes.Buffer // apart: of a loop device mtools complain that it has no geometry
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), &out, &problem
	if err := c.Run(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, &problem)
	}
	return out.String()
}

func putFile(t *testing.T, disk, name, text string) {
	t.Helper()
	for _, folder := range []string{path.Dir(path.Dir(name)), path.Dir(name)} {
		if folder != "." {
			exec.Command("mmd", "-D", "s", "-i", disk+"@@1048576", "::/"+folder).Run() // it may be there
		}
	}
	mtool(t, []byte(text), "mcopy", "-D", "o", "-i", disk+"@@1048576", "-", "::/"+name)
}

func getFile(t *testing.T, disk, name string) string {
	t.Helper()
	return mtool(t, nil, "mcopy", "-i", disk+"@@1048576", "::/"+name, "-")
}

// list gives the files of a disk's boot partition.
func list(t *testing.T, disk string) []string {
	t.Helper()
	all, err := fat{device: disk, start: mib}.files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// clientKey makes a client's public key.
func clientKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := api.PublicPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
