package segment

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"postroom/services/store/disk"
)

// Scan calls found for each whole record of a segment, in order, whatever stands between them: it needs no
// row. A body is whole when its SHA-256 fits. body reads it, and is good for the call alone.
func Scan(f disk.File, found func(h Header, offset uint64, body io.Reader) error) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	for at := int64(0); at+HeaderSize <= size; {
		at, err = findMagic(f, at, size)
		if err != nil {
			return err
		}
		if at < 0 {
			return nil
		}
		h, err := ReadHeader(f, uint64(at)+HeaderSize)
		if errors.Is(err, ErrVersion) {
			return fmt.Errorf("at %d: %w", at, err)
		}
		if err != nil || h.Length > uint64(size-at-HeaderSize) {
			at++
			continue
		}
		if err := Verify(f, uint64(at)+HeaderSize, h); err != nil {
			if !errors.Is(err, ErrBody) {
				return err
			}
			at++ // the length may be as wrong as the body
			continue
		}
		body := io.NewSectionReader(f, at+HeaderSize, int64(h.Length))
		if err := found(h, uint64(at)+HeaderSize, body); err != nil {
			return err
		}
		at += HeaderSize + int64(h.Length)
	}
	return nil
}

// ErrBody says that a body doesn't fit its SHA-256.
var ErrBody = errors.New("body doesn't fit its SHA-256")

// Verify reads the body at offset and compares it with its record's SHA-256.
func Verify(r io.ReaderAt, offset uint64, h Header) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, int64(offset), int64(h.Length))); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), h.SHA256[:]) {
		return ErrBody
	}
	return nil
}

// findMagic gives the first place at or behind at where a record's magic stands, -1 for none.
func findMagic(r io.ReaderAt, at, size int64) (int64, error) {
	var buffer [64 << 10]byte
	for at < size {
		n, err := r.ReadAt(buffer[:], at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if i := bytes.Index(buffer[:n], []byte(magic)); i >= 0 {
			return at + int64(i), nil
		}
		if n < len(magic) || err == io.EOF {
			return -1, nil
		}
		at += int64(n - len(magic) + 1)
	}
	return -1, nil
}
