package wire

import "sync"

const (
	smallBuffer = 4 << 10  // octets: holds a batch of pipelined commands
	largeBuffer = 32 << 10 // octets: two TLS records
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// borrow gives a buffer of smallBuffer or largeBuffer octets, with what others left in it.
func borrow(size int) []byte {
	if size == largeBuffer {
		return largeBuffers.Get().(*[largeBuffer]byte)[:]
	}
	return smallBuffers.Get().(*[smallBuffer]byte)[:]
}

// giveBack takes what borrow gave, or nil.
func giveBack(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}
