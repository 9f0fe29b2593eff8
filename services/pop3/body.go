package pop3

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// piece is how much of a body is read at once, octets.
const piece = 64 << 10

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// body is where a message's bytes stand: octets [offset, offset+length) of a segment.
type body struct {
	segment uint32
	offset  int64
	length  int64
	crc32c  uint32
}

// damage is a body that is not, or not whole, on disk.
type damage struct{ cause error }

func (d *damage) Error() string { return d.cause.Error() }
func (d *damage) Unwrap() error { return d.cause }

// copyTo writes the body to w. Its last octets are written only when all of them fit the checksum, so what
// is damaged is never sent whole; the error is then a *damage.
func (b body) copyTo(w io.Writer, segment io.ReaderAt) error {
	buffer := pieces.Get().(*[piece]byte)
	defer pieces.Put(buffer)
	sum := uint32(0)
	for done := int64(0); done < b.length; {
		part := buffer[:min(piece, b.length-done)]
		if n, err := segment.ReadAt(part, b.offset+done); n < len(part) {
			return &damage{fmt.Errorf("read octets %d to %d of segment %d: %w", b.offset+done, b.offset+b.length, b.segment, err)}
		}
		sum = crc32.Update(sum, castagnoli, part)
		done += int64(len(part))
		if done == b.length && sum != b.crc32c {
			return &damage{fmt.Errorf("segment %d, offset %d, %d octets: CRC-32C is %08x, not %08x", b.segment, b.offset, b.length, sum, b.crc32c)}
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// segments opens the files of bodies for one session, and keeps the last one open: a mailbox is in the order
// of time, as segments are. It is a file for each session, and so none is kept open that the store has
// removed, beyond the session that reads it.
type segments struct {
	folder *os.Root
	number uint32
	file   *os.File
}

// open gives the segment's file, which the next open or close closes. The error is a *damage where the
// segment can't be had at all, and any other where it may be had later.
func (s *segments) open(number uint32) (*os.File, error) {
	if s.file != nil && s.number == number {
		return s.file, nil
	}
	s.close()
	file, err := s.folder.Open(fmt.Sprintf("%08d.seg", number))
	if err != nil {
		if mayPass(err) {
			return nil, err
		}
		return nil, &damage{err}
	}
	s.number, s.file = number, file
	return file, nil
}

func (s *segments) close() {
	if s.file != nil {
		s.file.Close() // only ever read
		s.file = nil
	}
}

// mayPass tells what is wrong with this process from what is wrong with a body.
func mayPass(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, fs.ErrPermission)
}
