package wire_test

import (
	"bytes"
	"io"
	"net"
	"time"

	"postroom/services/wire"
)

// fakeConn is a network connection that reads from in, in pieces of the sizes that splits
// says (in turn, 0 counts as 256; none: whatever fits), and keeps what is written.
type fakeConn struct {
	net.Conn // nil: what isn't defined here must not be called
	in       io.Reader
	splits   []byte
	reads    int
	out      bytes.Buffer
	closed   bool
}

func (f *fakeConn) Read(p []byte) (int, error) {
	if f.closed {
		return 0, net.ErrClosed
	}
	if len(f.splits) > 0 {
		size := int(f.splits[f.reads%len(f.splits)])
		if size == 0 {
			size = 256
		}
		p = p[:min(len(p), size)]
	}
	f.reads++
	return f.in.Read(p)
}

func (f *fakeConn) Write(p []byte) (int, error) {
	if f.closed {
		return 0, net.ErrClosed
	}
	return f.out.Write(p)
}

func (f *fakeConn) Close() error                { f.closed = true; return nil }
func (f *fakeConn) SetDeadline(time.Time) error { return nil }

// over gives a Conn that receives input in pieces.
func over(input string, splits ...byte) (*wire.Conn, *fakeConn) {
	f := &fakeConn{in: bytes.NewReader([]byte(input)), splits: splits}
	return wire.NewConn(f, wire.Timeouts{}), f
}
