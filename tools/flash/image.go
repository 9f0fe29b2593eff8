package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"postroom/board"
)

// Files of the boot partition beside those that board names.
const (
	loaderFile = "EFI/BOOT/BOOTX64.EFI"
	menuFile   = "loader/loader.conf"
)

// An image is one that is to be put on a disk.
type image struct {
	file *os.File
	size int64
	slot string // file name of its system

	// What a disk gets when its system is replaced; keys is empty if the image has none.
	system, loader, menu, keys []byte
}

// openImage reads what an image is. One that isn't whole is not put on a disk.
func openImage(ctx context.Context, name string) (*image, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	img := &image{file: f}
	if err := img.load(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return img, nil
}

func (img *image) load(ctx context.Context) error {
	info, err := img.file.Stat()
	if err != nil {
		return err
	}
	img.size = info.Size()
	if !info.Mode().IsRegular() || img.size == 0 || img.size%sector != 0 {
		return fmt.Errorf("a file of %d octets is no disk image", img.size)
	}
	found, err := inspect(img.file, img.size)
	if err != nil {
		return err
	}
	if found.boot == nil || found.data == nil {
		return errors.New("it has no boot and data partition of a Postroom")
	}
	boot := fat{device: img.file.Name(), start: found.boot.start}
	files, err := boot.files(ctx)
	if err != nil {
		return err
	}
	slots := slotsOf(files)
	if len(slots) != 1 {
		return fmt.Errorf("it has %d systems in %s, and one is needed", len(slots), board.SlotFolder)
	}
	img.slot = path.Base(slots[0])
	for _, one := range []struct {
		name string
		to   *[]byte
		may  bool // be missing
	}{{slots[0], &img.system, false}, {loaderFile, &img.loader, false}, {menuFile, &img.menu, false}, {board.ClientKeysFile, &img.keys, true}} {
		if one.may && find(files, one.name) == "" {
			continue
		}
		if *one.to, err = boot.read(ctx, one.name); err != nil {
			return err
		}
	}
	return nil
}

// slotsOf gives the systems among a boot partition's files: those that the boot loader would start.
func slotsOf(files []string) []string {
	var slots []string
	for _, name := range files {
		if strings.EqualFold(path.Dir(name), board.SlotFolder) && strings.EqualFold(path.Ext(name), ".efi") {
			slots = append(slots, name)
		}
	}
	return slots
}

// find gives a file's name as it is on the disk, empty if it isn't there.
func find(files []string, name string) string {
	for _, one := range files {
		if strings.EqualFold(one, name) {
			return one
		}
	}
	return ""
}
