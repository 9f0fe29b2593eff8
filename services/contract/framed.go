package contract

import (
	"bufio"
	"encoding/binary"
	"net"
)

// Buffers of a connection, in octets. ttrpc has 4 KiB each way: a mail of that size took two writes and two reads, and
// woke its reader twice.
const (
	readBuffer  = 32 << 10
	writeBuffer = 64 << 10
)

// frameHeader is ttrpc's: length 4, of what follows it | stream 4 | type 1 | flags 1.
const frameHeader = 10

// framed is a connection that reads ahead, and writes whole frames of ttrpc at once. ttrpc calls Read and Write from one
// goroutine at a time each.
type framed struct {
	net.Conn
	in   *bufio.Reader
	out  []byte // accepted, not yet written
	head []byte // of a frame's header, what has come
	left uint32 // octets of a frame's payload that haven't come
}

func newFramed(nc net.Conn) net.Conn {
	return &framed{Conn: nc, in: bufio.NewReaderSize(nc, readBuffer), head: make([]byte, 0, frameHeader)}
}

func (f *framed) Read(p []byte) (int, error) { return f.in.Read(p) }

// Write holds p back until its frame is whole, or the buffer is full: the rest of a frame always follows.
func (f *framed) Write(p []byte) (int, error) {
	f.out = append(f.out, p...)
	if !f.whole(p) && len(f.out) < writeBuffer {
		return len(p), nil
	}
	_, err := f.Conn.Write(f.out)
	if f.out = f.out[:0]; cap(f.out) > 2*writeBuffer {
		f.out = nil
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// whole tells whether the last frame ends with p.
func (f *framed) whole(p []byte) bool {
	for len(p) > 0 {
		if f.left == 0 {
			n := min(frameHeader-len(f.head), len(p))
			f.head, p = append(f.head, p[:n]...), p[n:]
			if len(f.head) == frameHeader {
				f.left, f.head = binary.BigEndian.Uint32(f.head), f.head[:0]
			}
			continue
		}
		n := min(f.left, uint32(len(p)))
		f.left, p = f.left-n, p[n:]
	}
	return f.left == 0 && len(f.head) == 0
}

// Listener gives a listener for NewServer's server.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newFramed(nc), nil
}
