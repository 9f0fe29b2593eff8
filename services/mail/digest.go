package mail

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"slices"
)

// Digest is a SHA-256.
type Digest = [sha256.Size]byte

// volatile are the header fields that a provider may change while it holds a message.
var volatile = [][]byte{[]byte("Status"), []byte("X-Status"), []byte("X-UIDL"), []byte("X-Keywords")}

// maxName is more than the longest of them, with the colon and a few spaces before it.
const maxName = 32

// HeaderHasher computes the digest of a message's header while the message passes, in any
// pieces: of the lines before the first empty one, each as if it ended in CRLF, without the
// fields Status, X-Status, X-UIDL and X-Keywords and the lines that they are folded into.
// The body changes nothing, and neither does the empty line or the last line's end: RETR and
// TOP n 0 give the same, whether TOP's reply has the empty line or not.
//
// The zero value is ready. It holds the beginning of one line and no more.
type HeaderHasher struct {
	// Rest is given what stands behind the empty line, and must not fail; nil: nobody wants it.
	Rest io.Writer

	hash   hash.Hash
	head   []byte // a line's beginning, until it is known whether the line counts
	judged bool   // it is known
	skip   bool   // the line, and those that it is folded into, don't count
	cr     bool   // a CR was read that may belong to the line's end
	done   bool
	sum    Digest
}

var (
	crlf   = []byte("\r\n")
	bareCR = crlf[:1]
)

// Write takes the next piece of the message; it never fails.
func (h *HeaderHasher) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !h.done {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		p = rest
		h.add(line)
		if ended {
			h.endLine()
		}
	}
	if len(p) > 0 && h.Rest != nil {
		h.Rest.Write(p)
	}
	return n, nil
}

// Done tells whether the header's end was seen: what is written from there on is ignored.
func (h *HeaderHasher) Done() bool { return h.done }

// Sum ends the header where it wasn't yet ended, and gives its digest.
func (h *HeaderHasher) Sum() Digest {
	if !h.done {
		if h.judged || len(h.head) > 0 || h.cr {
			h.keepCR()
			h.endLine()
		}
		h.finish()
	}
	return h.sum
}

// HeaderDigest gives the digest that a HeaderHasher computes; it reads no further than the
// buffer in which the header ends.
func HeaderDigest(r io.Reader) (Digest, error) {
	var h HeaderHasher
	buf := make([]byte, 4<<10)
	for !h.done {
		n, err := r.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return Digest{}, err
		}
	}
	return h.Sum(), nil
}

// add takes a piece of a line, without its LF.
func (h *HeaderHasher) add(p []byte) {
	if len(p) == 0 {
		return
	}
	h.keepCR()
	if p[len(p)-1] == '\r' {
		h.cr = true
		p = p[:len(p)-1]
	}
	h.content(p)
}

// keepCR counts a CR that was held back, since no LF came behind it.
func (h *HeaderHasher) keepCR() {
	if h.cr {
		h.cr = false
		h.content(bareCR)
	}
}

// content takes a piece of what a line holds besides its end.
func (h *HeaderHasher) content(p []byte) {
	if !h.judged {
		n := min(len(p), maxName-len(h.head))
		h.head = append(h.head, p[:n]...)
		p = p[n:]
		if len(h.head) < maxName {
			return
		}
		h.judge()
	}
	if !h.skip {
		h.write(p)
	}
}

// judge decides by its beginning whether a line counts.
func (h *HeaderHasher) judge() {
	if c := h.head[0]; c != ' ' && c != '\t' { // else as the line before
		name, _, ok := bytes.Cut(h.head, []byte(":"))
		h.skip = ok && isVolatile(bytes.TrimRight(name, " \t"))
	}
	if !h.skip {
		h.write(h.head)
	}
	h.head = h.head[:0]
	h.judged = true
}

func isVolatile(name []byte) bool {
	return slices.ContainsFunc(volatile, func(v []byte) bool {
		return len(v) == len(name) && bytes.EqualFold(v, name) // the length keeps to ASCII
	})
}

func (h *HeaderHasher) endLine() {
	h.cr = false
	if !h.judged {
		if len(h.head) == 0 {
			h.finish()
			return
		}
		h.judge()
	}
	if !h.skip {
		h.write(crlf)
	}
	h.judged = false
}

func (h *HeaderHasher) finish() {
	h.write(nil)
	h.hash.Sum(h.sum[:0])
	h.done = true
	h.hash, h.head = nil, nil
}

func (h *HeaderHasher) write(p []byte) {
	if h.hash == nil {
		h.hash = sha256.New()
	}
	h.hash.Write(p)
}
