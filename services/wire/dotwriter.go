package wire

import "io"

// DotWriter writes a body as a multi-line reply, or as the message behind DATA: a dot is put
// before each that begins a line (behind CRLF, or first), nothing else is changed, and
// Close ends it.
//
// To cut a body off, leave out Close and close the Conn: without its end it isn't taken for
// whole.
type DotWriter struct {
	c     *Conn
	state dotState
	err   error
}

// DotWriter begins to write a body, under the deadline of one transfer.
func (c *Conn) DotWriter() *DotWriter {
	c.beginTransfer()
	return &DotWriter{c: c}
}

// Write writes a part of the body; parts may be cut anywhere.
func (d *DotWriter) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	written := 0
	for written < len(p) {
		if d.state == lineStart && p[written] == '.' {
			if _, d.err = d.c.WriteString("."); d.err != nil {
				return written, d.err
			}
			d.state = midLine
		}
		part, state := cutAtDot(p[written:], d.state)
		n, err := d.c.Write(part)
		written += n
		if d.err = err; err != nil {
			return written, err
		}
		d.state = state
	}
	return written, nil
}

// Close writes the end: a CRLF where the body isn't empty and has none last, and ".", CRLF.
// It doesn't flush.
func (d *DotWriter) Close() error {
	if d.err != nil {
		return d.err
	}
	end := ".\r\n"
	if d.state != lineStart {
		end = "\r\n.\r\n"
	}
	_, err := d.c.WriteString(end)
	d.c.endTransfer()
	if d.err = err; err == nil {
		d.err = io.ErrClosedPipe
	}
	return err
}

// Octets gives how many octets of body RETR sends, stuffing and final dot not counted, as
// LIST has to say (RFC 1939 §11): those of the body, and a CRLF where it isn't empty and
// doesn't end in one.
func Octets(body int64, endsInCRLF bool) int64 {
	if body == 0 || endsInCRLF {
		return body
	}
	return body + 2
}
