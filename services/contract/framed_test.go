package contract

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
)

// writes counts the calls, and keeps the octets.
type writes struct {
	net.Conn
	octets bytes.Buffer
	n      int
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	return w.octets.Write(p)
}

// Frames leave whole and in one write each, however they are handed over; one longer than the buffer leaves in parts.
func TestFramedWritesWholeFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		sizes  []uint32
		writes int
	}{
		{"empty payload", []uint32{0}, 1},
		{"a mail of 4 KiB", []uint32{4200}, 1},
		{"several", []uint32{10, 0, 4096, 5000, 1}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for range 200 {
				to := &writes{}
				f := newFramed(to)
				var all []byte
				for _, size := range c.sizes {
					frame := binary.BigEndian.AppendUint32(nil, size)
					frame = append(frame, make([]byte, frameHeader-4+int(size))...)
					all = append(all, frame...)
					for len(frame) > 0 {
						n := 1 + rand.IntN(len(frame))
						if got, err := f.Write(frame[:n]); got != n || err != nil {
							t.Fatalf("write of %d octets: got %d, %v", n, got, err)
						}
						frame = frame[n:]
					}
				}
				if !bytes.Equal(to.octets.Bytes(), all) {
					t.Fatalf("got %d octets, want the %d that were written", to.octets.Len(), len(all))
				}
				if to.n != c.writes {
					t.Fatalf("got %d writes, want %d", to.n, c.writes)
				}
			}
		})
	}
}

func TestFramedHoldsNoLongFrame(t *testing.T) {
	t.Parallel()
	to := &writes{}
	f := newFramed(to)
	frame := binary.BigEndian.AppendUint32(nil, 1<<20)
	frame = append(frame, make([]byte, frameHeader-4+(1<<20))...)
	for part := range bytesOf(frame, 4096) {
		if _, err := f.Write(part); err != nil {
			t.Fatal(err)
		}
		if held := len(f.(*framed).out); held >= writeBuffer {
			t.Fatalf("%d octets are held back, want less than %d", held, writeBuffer)
		}
	}
	if !bytes.Equal(to.octets.Bytes(), frame) {
		t.Errorf("got %d octets, want %d", to.octets.Len(), len(frame))
	}
}

func bytesOf(b []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}
