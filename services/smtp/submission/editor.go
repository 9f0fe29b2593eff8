// Package submission makes the mail that is queued of the mail that a client sent (RFC 6409 §8): lines on top, and no Bcc.
package submission

import (
	"bytes"
	"errors"
	"io"
)

// MaxHeader is the longest header that is taken, octets.
const MaxHeader = 256 << 10

// What is wrong with a mail.
var (
	// ErrOctets means a bare CR or LF, which another program may take for the end of a line, or of the mail, where this one
	// doesn't (RFC 5321 §2.3.8); or a NUL (RFC 5322 §4).
	ErrOctets = errors.New("bare CR or LF, or NUL")
	ErrHeader = errors.New("header too long")
)

// Editor passes a mail on to a writer, edited. It holds the header until that is whole; the rest goes through.
type Editor struct {
	out io.Writer
	top func(*Header) ([]byte, error)

	header []byte // while it isn't whole
	body   bool   // the header was passed on
	octets octets
	err    error
}

// NewEditor gives one that writes to out. Once the header is whole, top says what stands above it, or that the mail isn't
// wanted.
func NewEditor(out io.Writer, top func(*Header) ([]byte, error)) *Editor {
	return &Editor{out: out, top: top}
}

// Write takes the next octets of the mail. Its first error, given again from then on, is one of this package, of top or of
// out.
func (e *Editor) Write(p []byte) (int, error) {
	if e.err == nil {
		e.err = e.write(p)
	}
	if e.err != nil {
		return 0, e.err
	}
	return len(p), nil
}

// Close says that the mail is whole.
func (e *Editor) Close() error {
	switch {
	case e.err != nil:
	case !e.octets.whole():
		e.err = ErrOctets
	case !e.body:
		e.err = e.passHeader(e.header, nil)
	}
	return e.err
}

func (e *Editor) write(p []byte) error {
	if !e.octets.take(p) {
		return ErrOctets
	}
	if e.body {
		_, err := e.out.Write(p)
		return err
	}
	if len(e.header) == 0 {
		if end, ok := headerEnd(p, 0); ok { // nearly always
			return e.passHeader(p[:end], p[end:])
		}
	}
	held := len(e.header)
	e.header = append(e.header, p...)
	end, ok := headerEnd(e.header, max(0, held-len("\r\n\r")))
	switch {
	case ok:
		header := e.header
		e.header = nil
		return e.passHeader(header[:end], header[end:])
	case len(e.header) > MaxHeader+len("\r"):
		return ErrHeader
	}
	return nil
}

// headerEnd gives where the empty line begins that ends a header, if one does behind from. Lines end in CRLF: with anything
// else the mail isn't taken.
func headerEnd(p []byte, from int) (end int, ok bool) {
	if bytes.HasPrefix(p, []byte("\r\n")) {
		return 0, true
	}
	i := bytes.Index(p[from:], []byte("\r\n\r\n"))
	return from + i + len("\r\n"), i >= 0
}

// passHeader writes the top, the header without what it isn't to show, and what is behind it.
func (e *Editor) passHeader(raw, rest []byte) error {
	e.body = true
	if len(raw) > MaxHeader {
		return ErrHeader
	}
	header := parse(raw)
	top, err := e.top(header)
	if err != nil {
		return err
	}
	for _, part := range append(append([][]byte{top}, header.kept...), rest) {
		if len(part) == 0 {
			continue
		}
		if _, err := e.out.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// octets looks for those that a mail doesn't hold. The zero value is ready.
type octets struct {
	cr, lf int
	last   byte
}

// take tells whether p can go on the mail.
func (o *octets) take(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	for at := 0; ; {
		i := bytes.IndexByte(p[at:], '\n')
		if i < 0 {
			break
		}
		before := o.last
		if at+i > 0 {
			before = p[at+i-1]
		}
		if before != '\r' {
			return false
		}
		o.lf++
		at += i + 1
	}
	o.cr += bytes.Count(p, []byte{'\r'})
	o.last = p[len(p)-1]
	// Each LF is behind a CR of its own. One CR more may be the last octet, whose LF is on its way.
	return bytes.IndexByte(p, 0) < 0 && (o.cr == o.lf || o.cr == o.lf+1 && o.last == '\r')
}

// whole tells whether the mail can end here.
func (o *octets) whole() bool { return o.cr == o.lf }
