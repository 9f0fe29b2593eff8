package wire

import "io"

// ReadChunk gives the next n octets to w as they come, whatever they are (RFC 3030 §2), under the deadline of one transfer.
// An error of w ends it early: then the connection is good for nothing but Close.
func (c *Conn) ReadChunk(n int64, w io.Writer) error {
	c.beginTransfer()
	defer c.endTransfer()
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(c.deadline()); err == io.EOF {
				return io.ErrUnexpectedEOF
			} else if err != nil {
				return err
			}
		}
		part := c.in[c.r : c.r+int(min(n, int64(c.w-c.r)))]
		c.r += len(part)
		n -= int64(len(part))
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
