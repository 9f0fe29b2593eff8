package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A fake of what the kernel tells: files of /sys/devices, by name, and /proc.
type kernel struct {
	files            map[string]string
	links            map[string]string
	mountinfo, swaps string
}

// sata is a disk with two partitions, as the kernel shows one.
func sata() kernel {
	const at = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/"
	const sda = at + "block/sda/"
	return kernel{
		files: map[string]string{
			sda + "dev": "8:0\n", sda + "size": "1953525168\n", sda + "ro": "0\n", sda + "queue/logical_block_size": "512\n",
			sda + "sda1/dev": "8:1\n", sda + "sda1/partition": "1\n",
			sda + "sda2/dev": "8:2\n", sda + "sda2/partition": "2\n",
			at + "model": "KINGSTON SA400  \n", at + "vendor": "ATA     \n", at + "vpd_pg80": "\x00\x80\x00\x10    50026B77    ",
		},
		links: map[string]string{sda + "device": "../../"},
	}
}

func (k kernel) build(t *testing.T) machine {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, to string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	numbers := make(map[string]string)
	for name, text := range k.files {
		write("sys/devices/"+name, text)
		if filepath.Base(name) == "dev" {
			number := strings.TrimSpace(text)
			numbers["/dev/"+filepath.Base(filepath.Dir(name))] = number
			link("sys/dev/block/"+number, "../../devices/"+filepath.Dir(name))
		}
	}
	for name, to := range k.links {
		link("sys/devices/"+name, to)
	}
	write("proc/self/mountinfo", k.mountinfo)
	write("proc/swaps", "Filename\t\t\t\tType\t\tSize\n"+k.swaps)
	return machine{filepath.Join(root, "sys"), filepath.Join(root, "proc"), func(device string) (string, error) {
		if n := numbers[device]; n != "" {
			return n, nil
		}
		return "", fs.ErrNotExist
	}}
}

func TestLook(t *testing.T) {
	t.Parallel()
	got, err := sata().build(t).look("/dev/sda")
	want := facts{path: "/dev/sda", name: "sda", size: 1953525168 * 512, sector: 512, model: "ATA KINGSTON SA400", serial: "50026B77"}
	if err != nil || got != want {
		t.Errorf("found %+v, %v; want %+v", got, err, want)
	}
}

func TestSerialNumbers(t *testing.T) {
	t.Parallel()
	const usb = "pci0000:00/0000:00:14.0/usb1/1-2/"
	for _, c := range []struct{ name, folder, file, want string }{
		{"virtio", "pci0000:00/virtio0/block/vda", "pci0000:00/virtio0/block/vda/serial", "N-1"},
		{"NVMe", "pci0000:00/nvme/nvme0/nvme0n1", "pci0000:00/nvme/nvme0/serial", "N-1"},
		{"USB", usb + "1-2:1.0/host6/target/6:0/block/sdb", usb + "serial", "N-1"},
		{"hub", usb + "1-2:1.0/host6/target/6:0/block/sdb", "pci0000:00/0000:00:14.0/usb1/serial", ""},
		{"none", "virtual/block/loop0", "virtual/x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := kernel{files: map[string]string{c.folder + "/dev": "9:9", c.folder + "/size": "80000", c.file: " N-1 \n"}}
			if strings.HasPrefix(c.folder, usb) {
				k.files[usb+"idVendor"] = "0781\n"
			}
			got, err := k.build(t).look("/dev/" + filepath.Base(c.folder))
			if err != nil || got.serial != c.want {
				t.Errorf("serial number %q, %v; want %q", got.serial, err, c.want)
			}
		})
	}
}

func TestLookRefuses(t *testing.T) {
	t.Parallel()
	const sda = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/"
	const mount = "36 35 %s / %s rw,noatime shared:1 - ext4 %s rw\n"
	mapped := map[string]string{"virtual/block/dm-0/dev": "253:0", "virtual/block/dm-0/size": "8000", "virtual/block/dm-0/dm/name": "vg-root\n"}
	holder := map[string]string{sda + "sda2/holders/dm-0": "../../../../../../../../../../virtual/block/dm-0"}
	for _, c := range []struct {
		name      string
		device    string
		more      map[string]string
		links     map[string]string
		mountinfo string
		swaps     string
		want      []string
	}{
		{name: "partition", device: "/dev/sda1", want: []string{"partition of /dev/sda"}},
		{name: "not there", device: "/dev/sdz", want: []string{"not exist"}},
		{name: "no medium", more: map[string]string{sda + "size": "0\n"}, want: []string{"no medium"}},
		{name: "read-only", more: map[string]string{sda + "ro": "1\n"}, want: []string{"read-only"}},
		{name: "mounted", mountinfo: fmt.Sprintf(mount, "8:1", `/media/my\040stick`, "/dev/sda1"), want: []string{"in use: sda1 is mounted at /media/my stick"}},
		{name: "mounted whole", mountinfo: fmt.Sprintf(mount, "8:0", "/mnt", "/dev/sda"), want: []string{"sda is mounted at /mnt"}},
		{name: "btrfs", mountinfo: fmt.Sprintf(mount, "0:31", "/mnt", "/dev/sda2"), want: []string{"sda2 is mounted at /mnt"}},
		{name: "root", mountinfo: fmt.Sprintf(mount, "8:2", "/", "/dev/root"), want: []string{"this machine's system", "sda2 is mounted at /"}},
		{name: "boot", mountinfo: fmt.Sprintf(mount, "8:1", "/boot/efi", "/dev/sda1"), want: []string{"this machine's system"}},
		{name: "root on LVM", more: mapped, links: holder, mountinfo: fmt.Sprintf(mount, "253:0", "/", "/dev/mapper/vg-root"),
			want: []string{"this machine's system", "dm-0 is mounted at /"}},
		{name: "LVM", more: mapped, links: holder, want: []string{"in use", "sda2 is part of dm-0 (vg-root)"}},
		{name: "LVM itself", device: "/dev/dm-0", more: mapped, want: []string{"made of other disks"}},
		{name: "swap", swaps: "/dev/sda2                               partition\t999420\t0\t-2\n", want: []string{"sda2 is used for swap"}},
		{name: "swap and mounted", swaps: "/dev/sda2 partition\t1\t0\t-2\n", mountinfo: fmt.Sprintf(mount, "8:1", "/mnt", "/dev/sda1"),
			want: []string{"sda1 is mounted", "swap"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := sata()
			maps.Copy(k.files, c.more)
			maps.Copy(k.links, c.links)
			k.mountinfo, k.swaps = c.mountinfo, c.swaps
			device := c.device
			if device == "" {
				device = "/dev/sda"
			}
			if _, err := k.build(t).look(device); err == nil {
				t.Error("the disk was taken")
			} else {
				wants(t, err.Error(), c.want...)
			}
		})
	}
}

// Mounts of other disks are nobody's business.
func TestOtherDisksMounted(t *testing.T) {
	t.Parallel()
	k := sata()
	k.mountinfo = "22 27 0:21 / /proc rw - proc proc rw\n36 35 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n37 35 8:17 / /mnt rw - vfat /dev/sdb1 rw\nodd\n"
	k.swaps = "/swapfile file\t1\t0\t-2\n"
	if _, err := k.build(t).look("/dev/sda"); err != nil {
		t.Error(err)
	}
}

func TestNoDevice(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{name, os.DevNull, t.TempDir()} {
		if _, err := open(thisMachine, path); err == nil {
			t.Errorf("%s was taken for a disk", path)
		} else {
			wants(t, err.Error(), path, "not a block device")
		}
	}
}
