package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"postroom/board"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

func TestEmptyDisk(t *testing.T) {
	t.Parallel()
	image := makeImage(t, "1.0", nil)
	d := makeDisk(t, nil)
	// What is behind the image stays, but what could be taken for an older partition table goes.
	if _, err := d.file.WriteAt([]byte("in the middle"), 30*mib); err != nil {
		t.Fatal(err)
	}
	text := flashed(t, d, image, "")
	wants(t, text, "Some Disk", "S3R1AL", "40 MiB", "It is empty.", "EVERYTHING", "postroom_1.0.efi")
	if got := readFile(t, d.path)[:imageSize]; !bytes.Equal(got, readFile(t, image)) {
		t.Error("the disk is not what the image is")
	}
	found, err := inspect(d.file, d.size)
	if err != nil || found.boot == nil || found.data == nil {
		t.Errorf("found %+v, %v; want a Postroom", found, err)
	}
}

func TestErasedFlashIsEmpty(t *testing.T) {
	t.Parallel()
	d := makeDisk(t, bytes.Repeat([]byte{0xff}, diskSize))
	wants(t, flashed(t, d, makeImage(t, "1.0", nil), ""), "It is empty.")
	end := make([]byte, edge)
	if _, err := d.file.ReadAt(end, d.size-edge); err != nil || !erased(end) || end[0] != 0 {
		t.Errorf("the end of the disk begins with %x, %v; want zeros", end[:1], err)
	}
}

func TestReplaceKeepsAllButTheSystem(t *testing.T) {
	t.Parallel()
	first, second, third := clientKey(t), clientKey(t), clientKey(t)
	d := makeDisk(t, nil)
	flashed(t, d, makeImage(t, "1.0", map[string]string{board.ClientKeysFile: first}), "")
	settings, machineKey := "[appliance]\nname = \"mail\"\n", strings.Repeat("\x00\xff\r\n", 8)
	putFile(t, d.path, board.SettingsFile, settings)
	putFile(t, d.path, board.MachineKeyFile, machineKey)
	putFile(t, d.path, board.SlotFolder+"/postroom_1.1+2-1.efi", "an update on trial")
	putFile(t, d.path, board.ClientKeysFile, "# mine\n"+first+second)
	// The data partition has grown to the disk, and holds something.
	grown := func(index int, kind gpt.Type, label string, start, size uint64) *gpt.Partition {
		return &gpt.Partition{Index: index, Type: kind, Name: label, Start: start / sector, End: (start+size)/sector - 1, Size: size}
	}
	writeTable(t, d.file, diskSize,
		grown(1, board.BootType, board.BootLabel, mib, bootSize),
		grown(2, board.DataType, board.DataLabel, mib+bootSize, diskSize-2*mib-bootSize))
	if _, err := d.file.WriteAt([]byte(strings.Repeat("mail ", 4*mib/5)), mib+bootSize+2*mib); err != nil {
		t.Fatal(err)
	}
	table, data := digest(t, d.file, 0, mib), digest(t, d.file, mib+bootSize, diskSize-mib-bootSize)

	text := flashed(t, d, makeImage(t, "2.0", map[string]string{
		board.ClientKeysFile: third, board.SettingsFile: "[appliance]\nname = \"other\"\n",
	}), "")
	wants(t, text, "On it is a Postroom:", board.DataLabel, "postroom_2.0.efi", "Mail, settings and keys stay.")
	if digest(t, d.file, 0, mib) != table || digest(t, d.file, mib+bootSize, diskSize-mib-bootSize) != data {
		t.Error("partition table or data partition changed")
	}
	for name, want := range map[string]string{
		board.SettingsFile: settings, board.MachineKeyFile: machineKey, board.ClientKeysFile: "# mine\n" + first + second + third,
		board.SlotFolder + "/postroom_2.0.efi": system("2.0"), loaderFile: "the loader", menuFile: "timeout 0\n",
	} {
		if got := getFile(t, d.path, name); got != want {
			t.Errorf("%s: %.200q, want %.200q", name, got, want)
		}
	}
	want := []string{loaderFile, board.SlotFolder + "/postroom_2.0.efi", menuFile, board.ClientKeysFile, board.MachineKeyFile, board.SettingsFile}
	got := list(t, d.path)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

// The same version again: built anew it has the same name and other bytes.
func TestReplaceTheSameVersion(t *testing.T) {
	t.Parallel()
	image := makeImage(t, "1.0", nil)
	d := makeDisk(t, nil)
	flashed(t, d, image, "")
	flashed(t, d, image, "")
	before := digest(t, d.file, 0, d.size)
	flashed(t, d, image, "")
	if digest(t, d.file, 0, d.size) != before {
		t.Error("the same image again wrote something")
	}
	putFile(t, image, board.SlotFolder+"/postroom_1.0.efi", "another system")
	putFile(t, image, loaderFile, "another loader")
	// Left by a try that was cut short.
	putFile(t, d.path, makingFolder+"/postroom_1.0.efi", "half")
	putFile(t, d.path, board.SlotFolder+"/flash_postroom_1.0.efi", "old")
	putFile(t, d.path, beforeFolder+"/BOOTX64.EFI", "old")
	flashed(t, d, image, "")
	for _, name := range []string{loaderFile, board.SlotFolder + "/postroom_1.0.efi"} {
		if got, want := getFile(t, d.path, name), getFile(t, image, name); got != want {
			t.Errorf("%s: %.100q, want %.100q", name, got, want)
		}
	}
	if got := list(t, d.path); len(got) != 3 {
		t.Errorf("files %q, want loader, its settings and one system", got)
	}
}

func TestDamagedClientKeys(t *testing.T) {
	t.Parallel()
	key := clientKey(t)
	d := makeDisk(t, nil)
	flashed(t, d, makeImage(t, "1.0", map[string]string{board.ClientKeysFile: key[:60]}), "")
	text := flashed(t, d, makeImage(t, "1.1", map[string]string{board.ClientKeysFile: key}), "")
	wants(t, text, "client keys on the disk are damaged", board.ClientKeysFile+".damaged")
	if got := getFile(t, d.path, board.ClientKeysFile); got != key {
		t.Errorf("client keys %q, want the image's", got)
	}
	if got := getFile(t, d.path, board.ClientKeysFile+".damaged"); got != key[:60] {
		t.Errorf("put aside was %q, want what was there", got)
	}
}

func TestFullBootPartition(t *testing.T) {
	t.Parallel()
	d := makeDisk(t, nil)
	flashed(t, d, makeImage(t, "1.0", nil), "")
	putFile(t, d.path, "ballast", strings.Repeat("x", 15*mib/2))
	yes, _ := answers("yes\n")
	err := flash(t.Context(), d, makeImage(t, "1.1", nil), "", yes)
	if err == nil {
		t.Fatal("a system was put where there is no room")
	}
	wants(t, strings.ToLower(err.Error()), "postroom_1.1.efi", "full")
	got := list(t, d.path)
	if len(got) != 4 || getFile(t, d.path, board.SlotFolder+"/postroom_1.0.efi") != system("1.0") {
		t.Errorf("files %q, want those of before, whole", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	image := makeImage(t, "1.0", nil)
	postroom := readFile(t, image)
	mbr := make([]byte, mib)
	mbr[450], mbr[510], mbr[511] = 0x07, 0x55, 0xaa
	binary.LittleEndian.PutUint32(mbr[454:], 2048)
	binary.LittleEndian.PutUint32(mbr[458:], 30*2048)
	foreign := makeDisk(t, nil)
	writeTable(t, foreign.file, diskSize, &gpt.Partition{Index: 1, Type: gpt.LinuxFilesystem, Name: "holiday photos", Start: 2048, End: 40959, Size: 38912 * sector})
	halfDisk := makeDisk(t, nil)
	writeTable(t, halfDisk.file, diskSize, &gpt.Partition{Index: 1, Type: board.DataType, Name: board.DataLabel, Start: 2048, End: 40959, Size: 38912 * sector})
	atEnd := make([]byte, diskSize)
	atEnd[diskSize-4096] = 1

	for _, c := range []struct {
		name    string
		content []byte
		change  func(*disk)
		wipe    string
		answer  string
		want    []string
		shown   string
	}{
		{name: "MBR", content: mbr, answer: "yes\n", want: []string{"not empty", "-wipe 'S3R1AL'"}, shown: "partition 1: 30 MiB, type 07"},
		{name: "GPT", content: readFile(t, foreign.path), answer: "yes\n", want: []string{"not empty", "WIPE='S3R1AL'"}, shown: `"holiday photos"`},
		{name: "data", content: []byte("something"), answer: "yes\n", want: []string{"not empty"}, shown: "no partition table"},
		{name: "data at the end", content: atEnd, answer: "yes\n", want: []string{"not empty"}},
		{name: "data partition alone", content: readFile(t, halfDisk.path), answer: "yes\n", want: []string{"holds mail", "-wipe"}, shown: "Postroom"},
		{name: "wrong serial number", content: mbr, wipe: "s3r1al", answer: "yes\n", want: []string{`-wipe "s3r1al"`, `"S3R1AL"`}},
		{name: "wrong serial number of a Postroom", content: postroom, wipe: "S3R1AL ", answer: "yes\n", want: []string{"is not its serial number"}},
		{name: "wrong serial number of an empty one", wipe: "other", answer: "yes\n", want: []string{"is not its serial number"}},
		{name: "no serial number", content: mbr, change: func(d *disk) { d.serial = "" }, answer: "yes\n", want: []string{"not empty", "blkdiscard"}},
		{name: "no serial number to compare", content: mbr, change: func(d *disk) { d.serial = "" }, wipe: "unknown", answer: "yes\n", want: []string{"tells no serial number"}},
		{name: "too small", change: func(d *disk) { d.size = imageSize - sector }, answer: "yes\n", want: []string{"holds 14679552 octets", "14680064"}},
		{name: "other sectors", change: func(d *disk) { d.sector = 4096 }, answer: "yes\n", want: []string{"4096"}},
		{name: "no", answer: "no\n", want: []string{`not "yes"`}},
		{name: "y", content: postroom, answer: "y\n", want: []string{`not "yes"`}},
		{name: "end of input", content: postroom, want: []string{`not "yes"`}},
		{name: "no with serial number", content: mbr, wipe: "S3R1AL", answer: "\n", want: []string{`not "yes"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := makeDisk(t, c.content)
			if c.change != nil {
				c.change(d)
			}
			p, out := answers(c.answer)
			wants(t, refused(t, d, image, c.wipe, p), c.want...)
			wants(t, out.String(), c.shown, "serial number")
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	p, _ := answers("yes\n")
	p.terminal = false
	wants(t, refused(t, makeDisk(t, nil), makeImage(t, "1.0", nil), "", p), "start it in a terminal")
}

func TestWipe(t *testing.T) {
	t.Parallel()
	image := makeImage(t, "2.0", nil)
	for name, content := range map[string][]byte{
		"Postroom": readFile(t, makeImage(t, "1.0", map[string]string{board.MachineKeyFile: "old"})),
		"other":    bytes.Repeat([]byte("other"), diskSize/5),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := makeDisk(t, content)
			wants(t, flashed(t, d, image, "S3R1AL"), "EVERYTHING")
			if got := readFile(t, d.path)[:imageSize]; !bytes.Equal(got, readFile(t, image)) {
				t.Error("the disk is not what the image is")
			}
		})
	}
}

func TestBadImages(t *testing.T) {
	t.Parallel()
	two := makeImage(t, "1.0", map[string]string{board.SlotFolder + "/postroom_1.1.efi": "another"})
	half := makeImage(t, "1.0", nil)
	if err := os.Truncate(half, imageSize/2); err != nil {
		t.Fatal(err)
	}
	text := t.TempDir() + "/text"
	if err := os.WriteFile(text, []byte("not an image"), 0o600); err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{
		two: "2 systems", half: "no boot and data partition", text: "no disk image", "/nowhere": "no such file", os.DevNull: "no disk image",
	} {
		yes, _ := answers("yes\n")
		wants(t, refused(t, makeDisk(t, nil), image, "", yes), want)
	}
}

func TestDiskThatForgets(t *testing.T) {
	t.Parallel()
	d := makeDisk(t, bytes.Repeat([]byte{1}, 2*mib))
	sum := bytes.Repeat([]byte{7}, 32)
	err := compare(t.Context(), d.file, mib, 2*mib, sum)
	if err == nil {
		t.Fatal("other content than was written was taken")
	}
	wants(t, err.Error(), "octets 1048576 to 2097152", "0707", "the disk is bad")
	if err := same("x.efi", []byte("a"), []byte("b")); err == nil {
		t.Error("another file than was written was taken")
	}
}
