package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// RFC 3030 §2: a chunk is so many octets, whatever they are, and a command begins right behind them.
func TestReadChunk(t *testing.T) {
	t.Parallel()
	const octets = "\x16.\r\n\r\n.\r\nQUIT\r\n\x00\n\r"
	for _, size := range []int{0, 1, len(octets), 100_000} {
		chunk := strings.Repeat(octets, size/len(octets)+1)[:size]
		for _, splits := range [][]byte{nil, {1}, {2, 3}, {255}} {
			c, _ := over("BDAT\r\n"+chunk+"NOOP\r\n", splits...)
			if line, err := c.ReadLine(255); err != nil || string(line) != "BDAT" {
				t.Fatalf("got %q, %v", line, err)
			}
			var got bytes.Buffer
			if err := c.ReadChunk(int64(size), &got); err != nil || got.String() != chunk {
				t.Errorf("%d octets, splits %v: got %d, %v", size, splits, got.Len(), err)
			}
			if line, err := c.ReadLine(255); err != nil || string(line) != "NOOP" {
				t.Errorf("%d octets, splits %v: behind them came %q, %v", size, splits, line, err)
			}
		}
	}
	c, _ := over("short")
	if err := c.ReadChunk(6, io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	c, _ = over("short")
	if err := c.ReadChunk(5, full{}); !errors.Is(err, errFull) {
		t.Errorf("a writer that fails: got %v, want %v", err, errFull)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
