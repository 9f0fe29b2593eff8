package segment

import (
	"crypto/sha256"
	"hash"
	"hash/crc32"
	"time"
)

// Body is a body to append, with what its record's header says of it.
type Body struct {
	Header
	Octets  []byte
	OpenEnd bool // doesn't end in CRLF
}

// NewBody computes a body's checksums; octets are kept, not copied.
func NewBody(kind Kind, account [16]byte, now time.Time, octets []byte) Body {
	d := newDigest()
	d.write(octets)
	return Body{Header: d.header(kind, account, now), Octets: octets, OpenEnd: d.openEnd()}
}

// Location says where a body stands.
type Location struct {
	Segment uint32
	Offset  uint64 // of the body's first octet; its header stands before it
	Length  uint64
	CRC32C  uint32
	SHA256  [32]byte
	OpenEnd bool
}

// digest is what is computed of a body as its octets come.
type digest struct {
	sha    hash.Hash
	crc    uint32
	length uint64
	last   [2]byte
}

func newDigest() *digest { return &digest{sha: sha256.New()} }

func (d *digest) write(p []byte) {
	d.sha.Write(p)
	d.crc = crc32.Update(d.crc, Table, p)
	d.length += uint64(len(p))
	switch n := len(p); {
	case n >= 2:
		copy(d.last[:], p[n-2:])
	case n == 1:
		d.last[0], d.last[1] = d.last[1], p[0]
	}
}

func (d *digest) openEnd() bool { return d.length > 0 && string(d.last[:]) != "\r\n" }

func (d *digest) header(kind Kind, account [16]byte, now time.Time) Header {
	h := Header{Kind: kind, Account: account, Time: now, Length: d.length, CRC32C: d.crc}
	d.sha.Sum(h.SHA256[:0])
	return h
}
