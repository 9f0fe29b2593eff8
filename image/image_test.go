package image

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParsePackage(t *testing.T) {
	t.Parallel()
	const sum = "00be21c0c17f08ddf26e82d3b53fe7a41efa4a288938da6bb69e89c4b25c281d"
	const about = `Package: linux-image-cloud-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)
Description: Linux for x86-64 cloud (meta-package)
 Version: not this
Filename: pool/updates/main/l/linux-signed-amd64/linux-image-cloud-amd64_6.1.192-2_amd64.deb
SHA256: ` + sum + `

Package: another
`
	p, err := parsePackage([]byte(about))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "linux-image-cloud-amd64" || p.Version != "6.1.192-2" || p.sha256 != sum ||
		p.file != "linux-image-cloud-amd64_6.1.192-2_amd64.deb" || p.image() != "linux-image-6.1.0-56-cloud-amd64" {
		t.Errorf("package %+v, of image %q", p, p.image())
	}
	if _, err := parsePackage([]byte("Package: half\nVersion: 1\n")); err == nil {
		t.Error("a package without a file was taken")
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	a := identity([]byte("x"), "disk")
	if a != identity([]byte("x"), "disk") {
		t.Error("the same inputs give two identifiers")
	}
	if a == identity([]byte("y"), "disk") || a == identity([]byte("x"), "data") {
		t.Error("other inputs give the same identifier")
	}
	if a.Version() != 8 {
		t.Errorf("version %d of RFC 9562, want 8", a.Version())
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version string
		want    bool
	}{{"0.1.0", true}, {"333b592-dirty", true}, {"1.0~rc1", true}, {"1+3", false}, {"../x", false}, {"", false}, {"1 2", false}} {
		if got := version.MatchString(c.version); got != c.want {
			t.Errorf("version %q: taken %v, want %v", c.version, got, c.want)
		}
	}
}

// makeStub writes the headers of a program with one section.
func makeStub(t *testing.T, address, size uint32) string {
	t.Helper()
	var b bytes.Buffer
	dos := make([]byte, 0x40)
	copy(dos, "MZ")
	binary.LittleEndian.PutUint32(dos[0x3c:], 0x40)
	b.Write(dos)
	b.WriteString("PE\x00\x00")
	header := pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, TimeDateStamp: 0x12345678, SizeOfOptionalHeader: 240}
	optional := pe.OptionalHeader64{Magic: 0x20b, NumberOfRvaAndSizes: 16, CheckSum: 0x9abcdef0}
	text := pe.SectionHeader32{Name: [8]uint8{'.', 't'}, VirtualAddress: address, VirtualSize: size}
	for _, part := range []any{header, optional, text} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "stub.efi")
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSectionsFollowTheStub(t *testing.T) {
	t.Parallel()
	stub := makeStub(t, 0x4000, 0x15300)
	var sections []section
	for _, size := range []int{10, 4096, 5000} {
		name := filepath.Join(t.TempDir(), "part")
		if err := os.WriteFile(name, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		sections = append(sections, section{name: ".part", file: name})
	}
	if err := place(stub, sections); err != nil {
		t.Fatal(err)
	}
	for i, want := range []uint64{0x1a000, 0x1b000, 0x1c000} {
		if sections[i].at != want {
			t.Errorf("section %d is at %#x, want %#x", i, sections[i].at, want)
		}
	}
}

func TestClearTime(t *testing.T) {
	t.Parallel()
	stub := makeStub(t, 0x4000, 100)
	content, err := os.ReadFile(stub)
	if err != nil {
		t.Fatal(err)
	}
	if err := clearTime(content); err != nil {
		t.Fatal(err)
	}
	f, err := pe.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if sum := f.OptionalHeader.(*pe.OptionalHeader64).CheckSum; f.TimeDateStamp != 0 || sum != 0 {
		t.Errorf("time %#x, checksum %#x, want 0", f.TimeDateStamp, sum)
	}
	for _, wrong := range []string{"", strings.Repeat("x", 100), strings.Repeat("\xff", 100)} {
		if err := clearTime([]byte(wrong)); err == nil {
			t.Errorf("%d octets that are no program were taken", len(wrong))
		}
	}
}

func TestParents(t *testing.T) {
	t.Parallel()
	got := strings.Join(parents("EFI/Linux/postroom_1.efi"), " ")
	if got != "EFI EFI/Linux" {
		t.Errorf("parents %q", got)
	}
	if got := parents("postroom.toml"); len(got) != 0 {
		t.Errorf("parents of a file in the root: %q", got)
	}
}
