package wire

import (
	"io"
	"net"
	"strings"
	"testing"
)

// A session that waits holds one small read buffer, whatever it did before.
func TestIdleHoldsOneSmallBuffer(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer b.Close()
	c := NewConn(a, Timeouts{})
	defer c.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.WriteString(b, strings.Repeat("x", 10<<20)+"\r\n.\r\n")
		io.ReadFull(b, make([]byte, 5+1<<20+5))
		io.WriteString(b, "NOOP")
		io.WriteString(b, "\r\n")
	}()
	if n, err := c.DotReader(0).WriteTo(io.Discard); n != 10<<20+2 || err != nil {
		t.Fatalf("body: %d octets, %v", n, err)
	}
	if len(c.in) != largeBuffer {
		t.Errorf("a transfer of 10 MiB ended with a read buffer of %d octets; want %d", len(c.in), largeBuffer)
	}
	c.WriteLine("+OK")
	d := c.DotWriter()
	d.Write(make([]byte, 1<<20))
	d.Close()
	if line, err := c.ReadLine(MaxCommand); err != nil || string(line) != "NOOP" {
		t.Errorf("got %q, %v", line, err)
	}
	if len(c.in) != smallBuffer || c.out != nil || cap(c.spill) > keepSpill {
		t.Errorf("while idle: read buffer %d, write buffer %d, spill %d; want %d, 0, at most %d",
			len(c.in), cap(c.out), cap(c.spill), smallBuffer, keepSpill)
	}
	<-done
}

func TestBorrow(t *testing.T) {
	t.Parallel()
	for _, size := range []int{smallBuffer, largeBuffer} {
		b := borrow(size)
		if len(b) != size || cap(b) != size {
			t.Errorf("borrow(%d): length %d, capacity %d", size, len(b), cap(b))
		}
		giveBack(b[:0])
	}
	giveBack(nil)
}
