package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"postroom/board"
)

// Folders of the boot partition that nothing starts from: files are made in one, and moved into place when they are on
// disk; what has their name is moved to the other. Files are moved from folder to folder only: mren of mtools 4.0.32
// aborts when a longer name of a file needs the place of a removed one before it.
const (
	makingFolder = "postroom/making"
	beforeFolder = "postroom/before"
)

// A replacement puts an image's system on the boot partition of a disk. A whole system is there at each moment, and a
// try that was cut short is made good by the next one; only a boot loader that differs is for a moment, between two
// moves, not where the firmware looks for it.
type replacement struct {
	disk *disk
	boot fat
	out  io.Writer
}

// replaceSystem writes the image's system, boot loader and client keys. Settings, machine key and the data partition
// are not touched.
func replaceSystem(ctx context.Context, d *disk, at *extent, img *image, out io.Writer) error {
	r := &replacement{d, fat{d.path, at.start, d.cut}, out}
	if err := r.empty(ctx, makingFolder); err != nil { // left by a try that was cut short
		return err
	}
	r.makeFolders(ctx, makingFolder)
	r.makeFolders(ctx, beforeFolder)
	keys, err := r.keys(ctx, img.keys)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Writing %s …\n", gibibytes(int64(len(img.system))))
	slot := board.SlotFolder + "/" + img.slot
	if err := r.putSystem(ctx, slot, img.system); err != nil {
		return err
	}
	files := map[string][]byte{menuFile: img.menu, loaderFile: img.loader}
	if len(keys) > 0 {
		files[board.ClientKeysFile] = keys
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := r.put(ctx, name, files[name]); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "Reading it back …")
	files[slot] = img.system
	for name, content := range files {
		if err := r.compare(ctx, name, content); err != nil {
			return err
		}
	}
	if err := errors.Join(r.keepOnly(ctx, slot), r.empty(ctx, beforeFolder), d.file.Sync()); err != nil {
		return err
	}
	return reread(ctx, d.file)
}

// keys gives the client keys that are to be on the disk. A file of them that can't be read lets nobody in: it is kept
// under another name.
func (r *replacement) keys(ctx context.Context, more []byte) ([]byte, error) {
	const aside = board.ClientKeysFile + ".damaged"
	there, err := r.now(ctx, board.ClientKeysFile)
	if err == nil && there == nil { // a try that was cut short between two moves left them here
		there, err = r.now(ctx, beforeFolder+"/"+path.Base(board.ClientKeysFile))
	}
	if err != nil || there == nil || len(more) == 0 {
		return more, err
	}
	merged, err := mergeKeys(there, more)
	if !errors.Is(err, errDamaged) {
		return merged, err
	}
	fmt.Fprintf(r.out, "%v: they are kept as %s\n", err, aside)
	return more, r.put(ctx, aside, there)
}

// putSystem writes a system. Another one of the same name goes only when the new one is there, under a third name.
func (r *replacement) putSystem(ctx context.Context, slot string, content []byte) error {
	now, err := r.now(ctx, slot)
	if err != nil || bytes.Equal(now, content) {
		return err
	}
	if now != nil {
		meanwhile := board.SlotFolder + "/flash_" + path.Base(slot)
		if err := r.put(ctx, meanwhile, content); err != nil {
			return err
		}
		if err := r.keepOnly(ctx, meanwhile); err != nil {
			return err
		}
	}
	return r.put(ctx, slot, content)
}

// put writes a file, and puts it in its place once it is on disk.
func (r *replacement) put(ctx context.Context, name string, content []byte) error {
	now, err := r.now(ctx, name)
	if err != nil || bytes.Equal(now, content) {
		return err
	}
	making, before := makingFolder+"/"+path.Base(name), beforeFolder+"/"+path.Base(name)
	if now == nil {
		r.makeFolders(ctx, path.Dir(name))
	}
	err = r.boot.create(ctx, making, content)
	if err == nil {
		err = r.compare(ctx, making, content)
	}
	if err != nil {
		return errors.Join(err, r.removeAll(ctx, making))
	}
	if now != nil {
		if err := r.removeAll(ctx, before); err != nil {
			return err
		}
		if err := r.boot.move(ctx, name, beforeFolder); err != nil {
			return err
		}
		if err := r.disk.file.Sync(); err != nil {
			return err
		}
	}
	return errors.Join(r.boot.move(ctx, making, path.Dir(name)), r.disk.file.Sync())
}

// now gives a file's content, nil if it isn't there.
func (r *replacement) now(ctx context.Context, name string) ([]byte, error) {
	there, err := r.find(ctx, name)
	if err != nil || there == "" {
		return nil, err
	}
	content, err := r.boot.read(ctx, there)
	return slices.Concat([]byte{}, content), err
}

// makeFolders makes a folder and those that it is in.
func (r *replacement) makeFolders(ctx context.Context, name string) {
	if name != "." {
		r.makeFolders(ctx, path.Dir(name))
		r.boot.makeFolder(ctx, name)
	}
}

// compare syncs the disk and reads a file from it, not from memory.
func (r *replacement) compare(ctx context.Context, name string, content []byte) error {
	if err := errors.Join(r.disk.file.Sync(), forget(r.disk.file)); err != nil {
		return err
	}
	now, err := r.boot.read(ctx, name)
	if err != nil {
		return err
	}
	return same(name, content, now)
}

// keepOnly removes all systems but one.
func (r *replacement) keepOnly(ctx context.Context, slot string) error {
	all, err := r.boot.files(ctx)
	if err != nil {
		return err
	}
	if find(all, slot) == "" {
		return fmt.Errorf("%s is not there any more", slot)
	}
	old := slices.DeleteFunc(slotsOf(all), func(name string) bool { return strings.EqualFold(name, slot) })
	return errors.Join(r.removeAll(ctx, old...), r.disk.file.Sync())
}

// empty removes the files of a folder.
func (r *replacement) empty(ctx context.Context, folder string) error {
	all, err := r.boot.files(ctx)
	if err != nil {
		return err
	}
	return r.removeAll(ctx, slices.DeleteFunc(all, func(name string) bool { return !strings.EqualFold(path.Dir(name), folder) })...)
}

// removeAll removes files that may be there.
func (r *replacement) removeAll(ctx context.Context, names ...string) error {
	for _, name := range names {
		there, err := r.find(ctx, name)
		if err == nil && there != "" {
			err = r.boot.remove(ctx, there)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find gives a file's name as it is on the disk, empty if it isn't there.
func (r *replacement) find(ctx context.Context, name string) (string, error) {
	all, err := r.boot.files(ctx)
	return find(all, name), err
}
