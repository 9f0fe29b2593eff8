//go:build root && linux

package main

// What only root can try: a block device, its partitions, a mount. The disk is a file behind a loop device.

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postroom/board"
)

// loop makes a disk of a file, and gives its device.
func loop(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, diskSize); err != nil {
		t.Fatal(err)
	}
	device := strings.TrimSpace(mustRun(t, "losetup", "--find", "--show", "--partscan", name))
	t.Cleanup(func() { mustRun(t, "losetup", "--detach", device) })
	return device
}

func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

func TestBlockDevice(t *testing.T) {
	t.Parallel()
	device := loop(t)
	flashDevice := func(image string) string {
		t.Helper()
		d, err := open(thisMachine, device)
		if err != nil {
			t.Fatal(err)
		}
		defer d.file.Close()
		if _, err := open(thisMachine, device); err == nil {
			t.Error("a disk that is being written was opened again")
		} else {
			wants(t, err.Error(), device, "in use")
		}
		text := flashed(t, d, image, "")
		if !exists(device + "p1") { // a kernel that doesn't know GPT has to be told
			mustRun(t, "partx", "--add", device)
		}
		return text
	}
	key := clientKey(t)
	wants(t, flashDevice(makeImage(t, "1.0", map[string]string{board.MachineKeyFile: "secret"})), "It is empty.", "40 MiB", "disk.img")
	for _, partition := range []string{"p1", "p2"} {
		if _, err := open(thisMachine, device+partition); err == nil {
			t.Errorf("%s was taken for a disk", device+partition)
		} else {
			wants(t, err.Error(), "it is a partition of "+device)
		}
	}
	mustRun(t, "mke2fs", "-q", "-F", "-t", "ext4", device+"p2")
	data := readDevice(t, device+"p2")
	wants(t, flashDevice(makeImage(t, "2.0", map[string]string{board.ClientKeysFile: key})), "On it is a Postroom:")
	if !bytes.Equal(readDevice(t, device+"p2"), data) {
		t.Error("the data partition changed")
	}
	for name, want := range map[string]string{
		board.MachineKeyFile: "secret", board.ClientKeysFile: key, board.SlotFolder + "/postroom_2.0.efi": system("2.0"),
	} {
		if got := getFile(t, device, name); got != want {
			t.Errorf("%s: %.100q, want %.100q", name, got, want)
		}
	}

	folder := filepath.Join(t.TempDir(), "with space")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "mount", device+"p2", folder)
	_, err := open(thisMachine, device)
	mustRun(t, "umount", folder)
	if err == nil {
		t.Fatal("a mounted disk was taken")
	}
	wants(t, err.Error(), "in use: "+filepath.Base(device)+"p2 is mounted at "+folder)
}

// The disk that this test itself is on, where it is one.
func TestSystemDisk(t *testing.T) {
	t.Parallel()
	source := strings.TrimSpace(mustRun(t, "findmnt", "--noheadings", "--output", "SOURCE", "/"))
	number, err := deviceNumber(source)
	if err != nil {
		t.Skipf("/ is on %s, which is no block device here", source)
	}
	at, err := filepath.EvalSymlinks("/sys/dev/block/" + number)
	if err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(at, "partition")) {
		at = filepath.Dir(at)
	}
	_, err = thisMachine.look("/dev/" + filepath.Base(at))
	if err == nil {
		t.Fatal("the disk of the system was taken")
	}
	if text := err.Error(); !strings.Contains(text, "disk of this machine's system") && !strings.Contains(text, "made of other disks") {
		t.Errorf("refused with %q, want that it is the system's, or LVM's", text)
	}
}

func readDevice(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := forget(f); err != nil {
		t.Fatal(err)
	}
	return readFile(t, name)
}
