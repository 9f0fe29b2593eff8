package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// writeWhole writes an image from scratch. The disk's edges are erased first, and the image's beginning, with the
// partition table, comes last: a disk on which this was cut short is an empty one.
func writeWhole(ctx context.Context, d *disk, img *os.File, size int64, out io.Writer) error {
	blank := make([]byte, edge)
	for _, at := range []int64{0, max(0, d.size-edge)} {
		if _, err := d.file.WriteAt(blank[:min(edge, d.size-at)], at); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	begin := min(edge, size)
	fmt.Fprintf(out, "Writing %s …\n", gibibytes(size))
	rest, err := write(ctx, d.file, img, begin, size)
	if err != nil {
		return err
	}
	first, err := write(ctx, d.file, img, 0, begin)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Reading it back …")
	if err := forget(d.file); err != nil {
		return err
	}
	err = errors.Join(compare(ctx, d.file, 0, begin, first), compare(ctx, d.file, begin, size, rest))
	if err != nil {
		return err
	}
	return reread(ctx, d.file)
}

// write copies a part of the image to its place, zeros too, syncs it, and gives the SHA-256 of what was written.
func write(ctx context.Context, to, from *os.File, start, end int64) ([]byte, error) {
	h := sha256.New()
	err := chunks(ctx, from, start, end, func(chunk []byte, at int64) error {
		h.Write(chunk)
		_, err := to.WriteAt(chunk, at)
		return err
	})
	if err == nil {
		err = to.Sync()
	}
	if err != nil {
		return nil, fmt.Errorf("write the image: %w", err)
	}
	return h.Sum(nil), nil
}

// compare reads back what was written.
func compare(ctx context.Context, f *os.File, start, end int64, sum []byte) error {
	h := sha256.New()
	err := chunks(ctx, f, start, end, func(chunk []byte, _ int64) error {
		h.Write(chunk)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	return sameSum(fmt.Sprintf("octets %d to %d", start, end), sum, h.Sum(nil))
}

// same compares a file's content with what was written.
func same(what string, content, now []byte) error {
	want, got := sha256.Sum256(content), sha256.Sum256(now)
	return sameSum(what, want[:], got[:])
}

func sameSum(what string, want, got []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s: not what was written there (SHA-256 %x, read back %x): the disk is bad", what, want, got)
}

// chunks reads a part of a file, and ends with the context.
func chunks(ctx context.Context, f *os.File, start, end int64, do func(chunk []byte, at int64) error) error {
	buf := make([]byte, 1<<20)
	for at := start; at < end; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		chunk := buf[:min(int64(len(buf)), end-at)]
		if _, err := f.ReadAt(chunk, at); err != nil {
			return err
		}
		if err := do(chunk, at); err != nil {
			return err
		}
		at += int64(len(chunk))
	}
	return nil
}
