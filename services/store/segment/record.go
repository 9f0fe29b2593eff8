// Package segment keeps bodies in append-only segments of up to 64 MiB.
//
//	record = magic | kind | version | length | account | time | sha256 | crc32c | header crc | body
//
// A body over 1 MiB is a segment of its own. The package owns every file under bodies/; one goroutine
// appends. What a cut can leave behind: see Open.
package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"
)

// HeaderSize is what a record has before its body, in octets, all numbers little-endian:
//
//	 0 magic    4  "PRbd"
//	 4 kind     1
//	 5 version  1
//	 6 zero     2
//	 8 length   8  of the body
//	16 account 16
//	32 time     8  Unix nanoseconds
//	40 sha256  32  of the body
//	72 crc32c   4  of the body
//	76 crc32c   4  of the 76 octets before
const HeaderSize = 80

const (
	magic   = "PRbd"
	version = 1
)

// Kind says how a body came.
type Kind uint8

// The kinds of bodies.
const (
	Received  Kind = 1 // from a provider, un-stuffed and otherwise untouched
	Submitted Kind = 2 // from a mail client or the box itself, as it is sent on; of no account
)

// Table is CRC-32C's, the checksum of bodies and headers.
var Table = crc32.MakeTable(crc32.Castagnoli)

// Header is a record's header.
type Header struct {
	Kind    Kind
	Account [16]byte
	Time    time.Time
	Length  uint64 // octets of the body
	SHA256  [32]byte
	CRC32C  uint32 // of the body
}

// Errors of a header.
var (
	// ErrNoRecord says that no whole header stands there.
	ErrNoRecord = errors.New("no record")
	// ErrVersion says that the record was written by a version that this program doesn't know.
	ErrVersion = errors.New("record of an unknown version")
)

func (h *Header) encode(b []byte) {
	clear(b[:HeaderSize])
	copy(b, magic)
	b[4], b[5] = byte(h.Kind), version
	binary.LittleEndian.PutUint64(b[8:], h.Length)
	copy(b[16:], h.Account[:])
	binary.LittleEndian.PutUint64(b[32:], uint64(h.Time.UnixNano()))
	copy(b[40:], h.SHA256[:])
	binary.LittleEndian.PutUint32(b[72:], h.CRC32C)
	binary.LittleEndian.PutUint32(b[76:], crc32.Checksum(b[:76], Table))
}

// decode reads a header. ErrNoRecord: it isn't one; ErrVersion: it is one, but of another version.
func (h *Header) decode(b []byte) error {
	if string(b[:4]) != magic || crc32.Checksum(b[:76], Table) != binary.LittleEndian.Uint32(b[76:]) {
		return ErrNoRecord
	}
	if b[5] != version {
		return ErrVersion
	}
	h.Kind = Kind(b[4])
	h.Length = binary.LittleEndian.Uint64(b[8:])
	copy(h.Account[:], b[16:])
	h.Time = time.Unix(0, int64(binary.LittleEndian.Uint64(b[32:])))
	copy(h.SHA256[:], b[40:])
	h.CRC32C = binary.LittleEndian.Uint32(b[72:])
	return nil
}

// ReadHeader reads the header of the record whose body stands at offset.
func ReadHeader(r io.ReaderAt, offset uint64) (Header, error) {
	var h Header
	var b [HeaderSize]byte
	if offset < HeaderSize {
		return h, ErrNoRecord
	}
	if _, err := r.ReadAt(b[:], int64(offset)-HeaderSize); err != nil {
		return h, err
	}
	return h, h.decode(b[:])
}
