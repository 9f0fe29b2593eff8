// Package notes keeps the row changes of each commit in an append-only, preallocated log: the truth that the
// index is a view of.
//
//	file   = header | record …| zeros
//	header = magic | version | first sequence | salt | crc32c, padded to 64 octets
//	record = magic | version | sequence | salt | length | crc32c | payload
//
// A file's header says the sequence that it begins with, and voids notes from there on in earlier files. One
// goroutine appends. The salt is random and one for all of a file: octets from outside that stand in a payload
// can't pass for a record where one before them is damaged. What a cut can leave behind: see Replay.
package notes

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Sizes in octets, all numbers little-endian.
const (
	// fileHeaderSize: magic 4 "PRnf" | version 1 | zero 3 | first sequence 8 | salt 8 | crc32c of the 24 before 4 | zeros
	fileHeaderSize = 64
	// recordHeaderSize: magic 4 "PRnt" | version 1 | zero 3 | sequence 8 | salt 8 | length 4 | crc32c 4 of the
	// header before it and the payload
	recordHeaderSize = 32

	// MaxPayload is the longest payload of a note.
	MaxPayload = 64 << 20
)

const (
	fileMagic   = "PRnf"
	recordMagic = "PRnt"
	version     = 1
)

var table = crc32.MakeTable(crc32.Castagnoli)

// ErrVersion says that a note or a file of notes is of a version that this program doesn't know. It is
// never taken for the end of the log.
var ErrVersion = errors.New("notes of an unknown version")

var errNotWhole = errors.New("not a whole record")

func encodeFileHeader(first, salt uint64) []byte {
	b := make([]byte, fileHeaderSize)
	copy(b, fileMagic)
	b[4] = version
	binary.LittleEndian.PutUint64(b[8:], first)
	binary.LittleEndian.PutUint64(b[16:], salt)
	binary.LittleEndian.PutUint32(b[24:], crc32.Checksum(b[:24], table))
	return b
}

func decodeFileHeader(b []byte) (first, salt uint64, err error) {
	if len(b) < fileHeaderSize || string(b[:4]) != fileMagic ||
		binary.LittleEndian.Uint32(b[24:]) != crc32.Checksum(b[:24], table) {
		return 0, 0, errNotWhole
	}
	if b[4] != version {
		return 0, 0, ErrVersion
	}
	return binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), nil
}

func appendRecord(b []byte, sequence, salt uint64, payload []byte) []byte {
	var h [recordHeaderSize]byte
	copy(h[:], recordMagic)
	h[4] = version
	binary.LittleEndian.PutUint64(h[8:], sequence)
	binary.LittleEndian.PutUint64(h[16:], salt)
	binary.LittleEndian.PutUint32(h[24:], uint32(len(payload)))
	sum := crc32.Update(crc32.Checksum(h[:28], table), table, payload)
	binary.LittleEndian.PutUint32(h[28:], sum)
	return append(append(b, h[:]...), payload...)
}

// record is a note as it stands in a file.
type record struct {
	sequence uint64
	salt     uint64
	payload  []byte
}

// decodeRecord reads the record at the beginning of b. errNotWhole: there is none.
func decodeRecord(b []byte) (record, error) {
	if len(b) < recordHeaderSize || string(b[:4]) != recordMagic {
		return record{}, errNotWhole
	}
	length := uint64(binary.LittleEndian.Uint32(b[24:]))
	if length > MaxPayload || uint64(len(b)-recordHeaderSize) < length {
		return record{}, errNotWhole
	}
	payload := b[recordHeaderSize : recordHeaderSize+length]
	sum := crc32.Update(crc32.Checksum(b[:28], table), table, payload)
	if sum != binary.LittleEndian.Uint32(b[28:]) {
		return record{}, errNotWhole
	}
	if b[4] != version {
		return record{}, ErrVersion
	}
	return record{
		sequence: binary.LittleEndian.Uint64(b[8:]),
		salt:     binary.LittleEndian.Uint64(b[16:]),
		payload:  payload,
	}, nil
}
