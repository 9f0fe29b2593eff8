package wire

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

const (
	maxSkip   = 64 << 10 // octets of a line behind its limit that are read to find its end
	keepSpill = 1 << 10  // octets of c.spill that are kept between lines
	maxEmpty  = 100      // reads in a row that may give nothing and no error

	// handshakeRecord is the first octet of a TLS connection (RFC 8446 §5.1); no line of text begins with it.
	handshakeRecord = 0x16
)

// Buffered gives how many octets were received and not yet read.
func (c *Conn) Buffered() int { return c.w - c.r }

// ReadLine reads one line of at most limit octets, its end included, and gives it without
// its end. LF ends a line as CRLF does: this is for commands and for the first line of a
// reply, where nothing depends on the difference; a multi-line reply is read by DotReader.
// All other octets are given as they came, NUL, CR and 8-bit ones too. The slice is good
// until the next read.
//
// In the clear, what begins as a TLS record does is ErrTLSRecord: it may have no line end to
// wait for.
//
// What was written is flushed before the wait. At the end of the stream the error is io.EOF,
// inside a line io.ErrUnexpectedEOF.
func (c *Conn) ReadLine(limit int) ([]byte, error) {
	if err := c.refuseTLS(); err != nil {
		return nil, err
	}
	if i := bytes.IndexByte(c.in[c.r:c.w], '\n'); i >= 0 {
		line := c.in[c.r : c.r+i+1]
		c.r += i + 1
		if len(line) > limit {
			return nil, tooLong(limit)
		}
		return trimEnd(line), nil
	}
	return c.readSpilled(limit)
}

// readSpilled reads a line that isn't whole in the buffer.
func (c *Conn) readSpilled(limit int) ([]byte, error) {
	if err := c.Flush(); err != nil {
		return nil, err
	}
	c.spill = c.spill[:0]
	if cap(c.spill) > keepSpill {
		c.spill = nil
	}
	by := c.deadline() // one for the whole line: a peer that trickles gets no more
	for read := 0; ; {
		if read == 0 {
			if err := c.refuseTLS(); err != nil {
				return nil, err
			}
		}
		part := c.in[c.r:c.w]
		i := bytes.IndexByte(part, '\n')
		if i >= 0 {
			part = part[:i+1]
		}
		c.r += len(part)
		read += len(part)
		if read <= limit {
			c.spill = append(c.spill, part...)
		}
		switch {
		case i >= 0 && read <= limit:
			return trimEnd(c.spill), nil
		case i >= 0:
			return nil, tooLong(limit)
		case read > limit+maxSkip:
			c.readErr = fmt.Errorf("no line end within %d octets, connection closed: %w", read, ErrLineTooLong)
			c.Close()
			return nil, c.readErr
		}
		if err := c.fill(by); err == io.EOF && read > 0 {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
	}
}

// refuseTLS ends reading where a line begins as TLS does, and the connection is in the clear.
func (c *Conn) refuseTLS() error {
	if c.r == c.w || c.in[c.r] != handshakeRecord {
		return nil
	}
	if _, ok := c.TLS(); ok {
		return nil
	}
	return c.endRead(ErrTLSRecord)
}

func tooLong(limit int) error {
	return fmt.Errorf("more than %d octets: %w", limit, ErrLineTooLong)
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
}

// fill reads once from the network, behind what is buffered; at most two octets may be, so
// that there is room. It gives nil only with something read.
func (c *Conn) fill(by time.Time) error {
	if c.readErr != nil {
		return c.readErr
	}
	if err := c.Flush(); err != nil {
		return err
	}
	c.makeRoom()
	if err := c.arm(by); err != nil {
		return c.endRead(err)
	}
	for range maxEmpty {
		n, err := c.nc.Read(c.in[c.w:])
		c.w += n
		c.flood = c.w == len(c.in)
		if err != nil {
			err = c.endRead(err)
		}
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return c.endRead(io.ErrNoProgress)
}

func (c *Conn) endRead(err error) error {
	c.readErr = c.cause(err)
	return c.readErr
}

// makeRoom moves what is buffered to the front of a buffer of the right size: a large one
// for a transfer that fills the small one.
func (c *Conn) makeRoom() {
	size := smallBuffer
	if !c.end.IsZero() && (c.flood || len(c.in) == largeBuffer) {
		size = largeBuffer
	}
	if len(c.in) == size {
		c.w = copy(c.in, c.in[c.r:c.w])
		c.r = 0
		return
	}
	in := borrow(size)
	c.w = copy(in, c.in[c.r:c.w])
	c.r = 0
	giveBack(c.in)
	c.in = in
}
