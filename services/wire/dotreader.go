package wire

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// DotReader reads the body of a multi-line reply, or of a message that a client sends.
//
// It ends at CRLF "." CRLF and nowhere else (RFC 1939 §3, RFC 5321 §4.1.1.4), where the line
// before the body counts as the first CRLF. The first octet of a line that begins with a
// dot is taken off. All other octets are given as they came, bare CR and LF and NUL too,
// and the CRLF before the final dot is the body's: a body is empty or ends in CRLF.
//
// The Conn is not to be used otherwise until the end was read.
type DotReader struct {
	c     *Conn
	limit int64 // octets; 0: none
	n     int64 // octets given so far
	over  error // ErrTooLarge, once the limit was passed
	state dotState
	fin   error // io.EOF behind the final dot, or what ended the connection
}

// dotState is what stands before the next octet, of all that matters to dots.
type dotState uint8

const (
	lineStart dotState = iota // CRLF
	afterCR                   // CR
	midLine                   // anything else
)

const final = ".\r\n" // behind a CRLF

var crlfDot = []byte("\r\n.")

// DotReader begins to read a body of at most limit octets, as they are given (0: any number),
// under the deadline of one transfer.
func (c *Conn) DotReader(limit int64) *DotReader {
	c.beginTransfer()
	return &DotReader{c: c, limit: limit}
}

// Read gives io.EOF at the body's end, io.ErrUnexpectedEOF where the connection ended before
// it, and ErrTooLarge once the limit is passed, behind limit octets.
func (d *DotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	for {
		part, err := d.take(len(p) - n)
		n += copy(p[n:], part)
		if err != nil && n == 0 {
			return 0, err
		}
		if err != nil || n == len(p) || d.c.Buffered() == 0 {
			return n, nil
		}
	}
}

// WriteTo gives the whole body to w, without copying it; the errors are those of Read, with
// nil at the body's end, and those of w.
func (d *DotReader) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for {
		part, err := d.take(math.MaxInt)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(part)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Drain reads on to the body's end and drops what it reads, at most limit octets, after
// ErrTooLarge or when the rest isn't wanted. After nil the dialogue can go on; after any
// error, ErrTooLarge too, the connection is good for nothing but Close.
func (d *DotReader) Drain(limit int64) error {
	for n := int64(0); ; {
		part, err := d.next(math.MaxInt)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n += int64(len(part)); n > limit {
			return fmt.Errorf("no end within %d octets: %w", limit, ErrTooLarge)
		}
	}
}

// take gives the next octets of the body, at most most of them and never none, good until
// the next read.
func (d *DotReader) take(most int) ([]byte, error) {
	if d.over != nil {
		return nil, d.over
	}
	if left := d.limit - d.n; d.limit > 0 && left < int64(most) {
		most = int(max(left, 1)) // one more than none shows whether the end comes now
	}
	part, err := d.next(most)
	if err != nil {
		return nil, err
	}
	d.n += int64(len(part))
	if d.limit > 0 && d.n > d.limit {
		d.over = fmt.Errorf("more than %d octets: %w", d.limit, ErrTooLarge)
		return nil, d.over
	}
	return part, nil
}

// next is take without the limit. It takes the stuffing out inside the buffer, so that a
// body full of dots is given in pieces as large as any.
func (d *DotReader) next(most int) ([]byte, error) {
	for d.fin == nil {
		c := d.c
		start, end := c.r, c.r // in[start:end] is what will be given
		for c.r < c.w && end-start < most {
			if d.state == lineStart && c.in[c.r] == '.' {
				if mayEnd(c.in[c.r:c.w]) {
					break
				}
				c.r++
				d.state = midLine
				continue
			}
			var part []byte
			part, d.state = cutAtDot(c.in[c.r:c.r+min(c.w-c.r, most-(end-start))], d.state)
			if end < c.r {
				copy(c.in[end:], part)
			}
			c.r += len(part)
			end += len(part)
		}
		if end > start {
			return c.in[start:end], nil
		}
		if c.w-c.r < len(final) {
			d.fill()
			continue
		}
		c.r += len(final)
		c.endTransfer()
		d.fin = io.EOF
	}
	return nil, d.fin
}

// mayEnd tells whether b, which begins with the dot that begins a line, is the end of the
// body or could become it.
func mayEnd(b []byte) bool {
	return string(b[:min(len(b), len(final))]) == final[:min(len(b), len(final))]
}

func (d *DotReader) fill() {
	err := d.c.fill(d.c.deadline())
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	d.fin = err
}

// cutAtDot gives the part of b, which isn't empty, up to the first dot that begins a line,
// and the state behind that part. The dot itself may stand behind b.
func cutAtDot(b []byte, before dotState) ([]byte, dotState) {
	if before == afterCR && b[0] == '\n' {
		if len(b) == 1 || b[1] == '.' {
			return b[:1], lineStart
		}
	}
	if i := bytes.Index(b, crlfDot); i >= 0 {
		return b[:i+2], lineStart
	}
	switch {
	case b[len(b)-1] == '\r':
		return b, afterCR
	case bytes.HasSuffix(b, crlfDot[:2]):
		return b, lineStart
	}
	return b, midLine
}
