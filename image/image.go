// Package image makes the disk image of a board: Debian's kernel, our one program and few files in an initramfs,
// both in a unified kernel image; an EFI system partition with that and systemd-boot; an empty data partition. It
// needs no root, and makes the same bytes from the same packages, source and options.
package image

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"postroom/board"

	"github.com/google/uuid"
)

// Options say what to build. Board, Version, Work and Out must be set.
type Options struct {
	Board   *board.Board
	Version string
	Work    string // folder for what can be used again: packages, unpacked ones
	Out     string // the disk image

	Settings   string // file that becomes postroom.toml; empty: none
	ClientKeys string // file with public keys for the console, PEM; empty: none

	Program string    // package of the program; default postroom/tools/postroom
	Offline bool      // take the packages that are there, ask no archive
	Log     io.Writer // progress and sizes
}

// A Result says what came to be.
type Result struct {
	Packages []Package
	Sizes    []Size // of the unified kernel image
	UKI      int64  // octets
}

// Size is what a part takes.
type Size struct {
	Part   string
	Raw    int64 // octets, as it is in memory
	Packed int64 // octets in the unified kernel image; parts of the initramfs: their share, packed alone
}

// MaxUKI is the most that a unified kernel image may be, so that two and a third being written fit.
const MaxUKI = 24 << 20

// versions that systemd-boot can order and a FAT can hold.
var version = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.~^-]{0,63}$`)

// Build makes the image. It runs apt-get, dpkg-deb, depmod, go, zstd, objcopy, mkfs.vfat, mtools and mke2fs.
func Build(ctx context.Context, o Options) (*Result, error) {
	if !version.MatchString(o.Version) {
		return nil, fmt.Errorf("version %q: letters, digits and . ~ ^ - only, at most 64", o.Version)
	}
	if err := os.MkdirAll(o.Work, 0o755); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(o.Work, "image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	b := &build{Options: o, temp: temp}
	if err := b.run(ctx); err != nil {
		return nil, fmt.Errorf("image of board %s: %w", o.Board.Name, err)
	}
	return &b.result, nil
}

type build struct {
	Options
	temp   string
	result Result
}

func (b *build) run(ctx context.Context) error {
	program := make(chan error, 1)
	go func() { program <- b.compile(ctx) }()
	system, err := b.collect(ctx)
	if err = joinFirst(<-program, err); err != nil {
		return err
	}
	uki, err := b.makeUKI(ctx, system)
	if err != nil {
		return err
	}
	return b.makeDisk(ctx, system, uki)
}

// joinFirst gives the first error that there is.
func joinFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// system is what the packages give.
type system struct {
	kernel  kernel
	modules []module
	stub    string // files
	loader  string
	e2fsck  string
	roots   []byte // PEM
}

func (b *build) collect(ctx context.Context) (*system, error) {
	meta, err := b.candidate(ctx, b.Board.Kernel)
	if err != nil {
		return nil, err
	}
	names := []string{meta.image(), "systemd-boot-efi", "e2fsck-static", "ca-certificates"}
	tree := make(map[string]string) // folder by package
	for _, name := range names {
		p, err := b.candidate(ctx, name)
		if err != nil {
			return nil, err
		}
		if tree[name], err = b.unpack(ctx, p); err != nil {
			return nil, err
		}
		b.result.Packages = append(b.result.Packages, p)
	}
	s := &system{
		stub:   filepath.Join(tree["systemd-boot-efi"], "usr/lib/systemd/boot/efi/linuxx64.efi.stub"),
		loader: filepath.Join(tree["systemd-boot-efi"], "usr/lib/systemd/boot/efi/systemd-bootx64.efi"),
		e2fsck: filepath.Join(tree["e2fsck-static"], "sbin/e2fsck.static"),
	}
	if s.kernel, err = findKernel(tree[names[0]]); err != nil {
		return nil, err
	}
	if s.modules, err = s.kernel.closure(b.Board.All()); err != nil {
		return nil, err
	}
	s.roots, err = certificates(filepath.Join(tree["ca-certificates"], "usr/share/ca-certificates/mozilla"))
	return s, err
}

func (b *build) program() string { return filepath.Join(b.temp, "postroom") }

// compile makes the one program. Files with the build constraint !appliance hold what only a workstation needs:
// every process of the appliance pays for the packages that it brings.
func (b *build) compile(ctx context.Context) error {
	return command(ctx, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1"},
		"go", "build", "-trimpath", "-buildvcs=false", "-tags", "appliance",
		"-ldflags", "-s -w -buildid= -X postroom/tools/command.Version="+b.Version,
		"-o", b.program(), cmp.Or(b.Program, "postroom/tools/postroom"))
}

// identity gives an identifier that depends on what went into the image, and on what it is for.
func identity(of []byte, what string) uuid.UUID {
	h := sha256.New()
	fmt.Fprintf(h, "postroom %s\n", what)
	h.Write(of)
	id, _ := uuid.FromBytes(h.Sum(nil)[:16]) // 16 octets: no error
	id[6] = id[6]&0x0f | 0x80                // version 8: made by a rule of one's own (RFC 9562 §5.8)
	id[8] = id[8]&0x3f | 0x80
	return id
}
