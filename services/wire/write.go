package wire

import "strings"

// maxWrite is the most octets that are given to the network at once: a slow peer takes so
// many within Timeouts.Command.
const maxWrite = 64 << 10

// Write buffers p, or sends it where it is large. After an error nothing more can be
// written. What RETR sends goes through a DotWriter.
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if c.writeErr != nil {
			return written, c.writeErr
		}
		rest := p[written:]
		if c.out == nil && len(rest) >= largeBuffer {
			n, err := c.send(rest[:min(len(rest), maxWrite)])
			written += n
			if err != nil {
				return written, err
			}
			continue
		}
		c.borrowOut()
		n := min(len(rest), cap(c.out)-len(c.out))
		c.out = append(c.out, rest[:n]...)
		written += n
		if len(c.out) == cap(c.out) {
			if err := c.Flush(); err != nil {
				return written, err
			}
		}
	}
	return written, c.writeErr
}

// WriteString is Write for a string.
func (c *Conn) WriteString(s string) (int, error) {
	written := 0
	for written < len(s) {
		if c.writeErr != nil {
			return written, c.writeErr
		}
		c.borrowOut()
		n := min(len(s)-written, cap(c.out)-len(c.out))
		c.out = append(c.out, s[written:written+n]...)
		written += n
		if len(c.out) == cap(c.out) {
			if err := c.Flush(); err != nil {
				return written, err
			}
		}
	}
	return written, c.writeErr
}

// WriteLine buffers one line, to which it adds CRLF. A line with a CR or LF in it is refused
// with ErrLineBreak, and nothing is written: outside data can't make two commands of one.
func (c *Conn) WriteLine(line string) error {
	if strings.ContainsAny(line, "\r\n") {
		return ErrLineBreak
	}
	if _, err := c.WriteString(line); err != nil {
		return err
	}
	_, err := c.WriteString("\r\n")
	return err
}

// Flush sends what is buffered.
func (c *Conn) Flush() error {
	if c.writeErr != nil || c.out == nil {
		return c.writeErr
	}
	_, err := c.send(c.out)
	giveBack(c.out)
	c.out = nil
	return err
}

func (c *Conn) borrowOut() {
	if c.out != nil {
		return
	}
	size := smallBuffer
	if !c.end.IsZero() {
		size = largeBuffer
	}
	c.out = borrow(size)[:0]
}

func (c *Conn) send(p []byte) (int, error) {
	if err := c.arm(c.deadline()); err != nil {
		c.writeErr = c.cause(err)
		return 0, c.writeErr
	}
	n, err := c.nc.Write(p)
	if err != nil {
		c.writeErr = c.cause(err)
	}
	return n, c.writeErr
}
