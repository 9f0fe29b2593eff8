package image

import (
	"bytes"
	"context"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A section of a unified kernel image (UAPI Group's specification UKI).
type section struct {
	name string
	file string
	at   uint64 // address, see place
}

// makeUKI joins stub, kernel and initramfs.
func (b *build) makeUKI(ctx context.Context, s *system) ([]byte, error) {
	initramfs, err := b.makeInitramfs(ctx, s)
	if err != nil {
		return nil, err
	}
	sections := []section{
		{name: ".osrel", file: filepath.Join(b.temp, "osrel")},
		{name: ".cmdline", file: filepath.Join(b.temp, "cmdline")},
		{name: ".initrd", file: initramfs},
		{name: ".linux", file: s.kernel.image}, // last: some stubs have the kernel unpack itself where it is
	}
	err = joinFirst(
		os.WriteFile(sections[0].file, []byte(b.osRelease()), 0o644),
		os.WriteFile(sections[1].file, []byte(b.Board.KernelCommandLine()), 0o644),
	)
	if err != nil {
		return nil, err
	}
	if err := place(s.stub, sections); err != nil {
		return nil, err
	}
	var args []string
	for _, one := range sections {
		args = append(args, "--add-section", one.name+"="+one.file,
			"--change-section-vma", fmt.Sprintf("%s=%#x", one.name, one.at))
	}
	out := filepath.Join(b.temp, "uki.efi")
	if err := command(ctx, nil, "objcopy", append(args, s.stub, out)...); err != nil {
		return nil, err
	}
	uki, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	if err := clearTime(uki); err != nil {
		return nil, err
	}
	b.measure(s, int64(len(uki)))
	if len(uki) > MaxUKI {
		return nil, fmt.Errorf("unified kernel image is %d octets long, and at most %d fit", len(uki), MaxUKI)
	}
	return uki, nil
}

// place gives the sections their addresses, right behind the stub's own and each other: the firmware takes memory
// for everything up to the last one, gaps too.
func place(stub string, sections []section) error {
	f, err := pe.Open(stub)
	if err != nil {
		return fmt.Errorf("read %s: %w", stub, err)
	}
	defer f.Close()
	header, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok {
		return fmt.Errorf("%s is not a 64-bit program", stub)
	}
	const page = 4096
	end := header.ImageBase // addresses given to objcopy are with it
	for _, one := range f.Sections {
		end = max(end, header.ImageBase+uint64(one.VirtualAddress)+uint64(one.VirtualSize))
	}
	for i := range sections {
		info, err := os.Stat(sections[i].file)
		if err != nil {
			return err
		}
		sections[i].at = (end + page - 1) / page * page
		end = sections[i].at + uint64(info.Size())
	}
	return nil
}

// clearTime takes the time of the link, which objcopy sets anew, out of a PE file's header, and with it the checksum,
// which no firmware looks at.
func clearTime(image []byte) error {
	const at, signature = 0x3c, "PE\x00\x00"
	if len(image) > at+4 {
		header := int(binary.LittleEndian.Uint32(image[at:]))
		if header > 0 && header+24+68 < len(image) && bytes.HasPrefix(image[header:], []byte(signature)) {
			clear(image[header+8 : header+12])
			clear(image[header+24+64 : header+24+68])
			return nil
		}
	}
	return fmt.Errorf("unified kernel image of %d octets has no PE header", len(image))
}

// measure completes the sizes, largest first.
func (b *build) measure(s *system, uki int64) {
	b.result.UKI = uki
	rest := uki
	if info, err := os.Stat(s.kernel.image); err == nil {
		b.result.Sizes = append(b.result.Sizes, Size{"kernel " + s.kernel.release, info.Size(), info.Size()})
	}
	for _, one := range b.result.Sizes {
		rest -= one.Packed
	}
	b.result.Sizes = append(b.result.Sizes, Size{"stub, headers", rest, rest})
	slices.SortFunc(b.result.Sizes, func(x, y Size) int { return int(y.Packed - x.Packed) })
}
