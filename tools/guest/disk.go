package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// prepareDisk makes the guest's disk from the image, unless it is there.
func prepareDisk(ctx context.Context, c Config) error {
	if _, err := os.Stat(c.Disk); c.Image == "" || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	making := c.Disk + ".new"
	err := copyFile(making, c.Image)
	if err == nil {
		err = putFiles(ctx, making, c.Files)
	}
	if info, e := os.Stat(making); err == nil && e == nil && info.Size() < c.DiskSize {
		err = os.Truncate(making, c.DiskSize)
	}
	if err == nil {
		err = os.Rename(making, c.Disk)
	}
	if err != nil {
		os.Remove(making)
	}
	return err
}

// copyUnlessThere copies a file.
func copyUnlessThere(to, from string) error {
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := copyFile(to+".part", from)
	if err == nil {
		err = os.Rename(to+".part", to)
	}
	return err
}

// copyFile copies a file, without writing what is zero. When it can't, nothing is left of the copy.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(out.Truncate(info.Size()), copyData(out, in), out.Close()); err != nil {
		return errors.Join(fmt.Errorf("copy %s: %w", from, err), os.Remove(to))
	}
	return nil
}

func copyData(to io.WriterAt, from io.Reader) error {
	buf, zero := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := io.ReadFull(from, buf)
		if !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := to.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// firmware is UEFI for the guest: Debian's package ovmf.
type firmware struct{ code, variables string }

func findFirmware() (firmware, error) {
	f := firmware{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"}
	if _, err := os.Stat(f.code); err != nil {
		return f, fmt.Errorf("firmware for the guest: %w: package ovmf has it (make deps)", err)
	}
	return f, nil
}
