// Package bodies reads the store's segments, for those who send mail: octet for octet, and never whole where they don't fit their
// checksum.
package bodies

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"postroom/services/contract"
)

// Piece is how much of a body is read at once, octets.
const Piece = 64 << 10

var pieces = sync.Pool{New: func() any { return new([Piece]byte) }}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Body is where a message's bytes stand: octets [Offset, Offset+Length) of a segment.
type Body struct {
	Segment uint32
	Offset  int64
	Length  int64
	CRC32C  uint32
}

// Of gives the contract's form of it.
func Of(b *contract.Body) Body {
	return Body{Segment: b.GetSegment(), Offset: int64(b.GetOffset()), Length: int64(b.GetLength()), CRC32C: b.GetCrc32C()}
}

// Damage is a body that is not, or not whole, on disk.
type Damage struct{ cause error }

func (d *Damage) Error() string { return d.cause.Error() }
func (d *Damage) Unwrap() error { return d.cause }

// CopyTo writes the body to w. Its last octets are written only when all of them fit the checksum, so what
// is damaged is never sent whole; the error is then a *Damage.
func (b Body) CopyTo(w io.Writer, segment io.ReaderAt) error {
	buffer := pieces.Get().(*[Piece]byte)
	defer pieces.Put(buffer)
	sum := uint32(0)
	for done := int64(0); done < b.Length; {
		part := buffer[:min(Piece, b.Length-done)]
		if n, err := segment.ReadAt(part, b.Offset+done); n < len(part) {
			return &Damage{fmt.Errorf("read octets %d to %d of segment %d: %w", b.Offset+done, b.Offset+b.Length, b.Segment, err)}
		}
		sum = crc32.Update(sum, castagnoli, part)
		done += int64(len(part))
		if done == b.Length && sum != b.CRC32C {
			return &Damage{fmt.Errorf("segment %d, offset %d, %d octets: CRC-32C is %08x, not %08x", b.Segment, b.Offset, b.Length, sum, b.CRC32C)}
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// Segments opens the files of bodies for one session, and keeps the last one open: a mailbox is in the order
// of time, as segments are. It is a file for each session, and so none is kept open that the store has
// removed, beyond the session that reads it.
type Segments struct {
	Folder *os.Root // where the segments are
	number uint32
	file   *os.File
}

// Open gives the segment's file, which the next Open or Close closes. The error is a *Damage where the
// segment can't be had at all, and any other where it may be had later.
func (s *Segments) Open(number uint32) (*os.File, error) {
	if s.file != nil && s.number == number {
		return s.file, nil
	}
	s.Close()
	file, err := s.Folder.Open(fmt.Sprintf("%08d.seg", number))
	if err != nil {
		if MayPass(err) {
			return nil, err
		}
		return nil, &Damage{err}
	}
	s.number, s.file = number, file
	return file, nil
}

// Close closes what is open.
func (s *Segments) Close() {
	if s.file != nil {
		s.file.Close() // only ever read
		s.file = nil
	}
}

// MayPass tells what is wrong with this process from what is wrong with a body.
func MayPass(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, fs.ErrPermission)
}
