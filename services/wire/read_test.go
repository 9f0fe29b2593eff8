package wire_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"postroom/services/wire"
)

func TestReadLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, input string
		limit       int
		want        []string
		err         error // behind want
	}{
		{"CRLF and LF", "USER a\r\nPASS b\nQUIT\r\n", 255, []string{"USER a", "PASS b", "QUIT"}, io.EOF},
		{"empty lines", "\r\n\n\r\n", 255, []string{"", "", ""}, io.EOF},
		{"verbatim", "a\rb\x00\xff\xc3\r\r\n", 255, []string{"a\rb\x00\xff\xc3\r"}, io.EOF},
		{"at the limit", "12345678\r\n", 10, []string{"12345678"}, io.EOF},
		{"over the limit, then on", "123456789\r\nNOOP\r\n", 10, []string{"<too long>", "NOOP"}, io.EOF},
		{"far over the limit, then on", strings.Repeat("x", 60000) + "\r\nNOOP\r\n", 10, []string{"<too long>", "NOOP"}, io.EOF},
		{"no end", "NOOP\r\nQUI", 255, []string{"NOOP"}, io.ErrUnexpectedEOF},
		{"TLS", "NOOP\r\n\x16\x03\x01\n\r\n", 255, []string{"NOOP"}, wire.ErrTLSRecord},
		{"TLS without a line end", "\x16", 255, nil, wire.ErrTLSRecord},
		{"the same octet elsewhere", "a\x16\r\n", 255, []string{"a\x16"}, io.EOF},
		{"longer than the buffer", strings.Repeat("y", 10000) + "\r\nz\r\n", 12288, []string{strings.Repeat("y", 10000), "z"}, io.EOF},
	}
	for _, test := range tests {
		for _, splits := range [][]byte{nil, {1}, {2, 3}, {7}, {255}} {
			c, _ := over(test.input, splits...)
			for i, want := range test.want {
				got, err := c.ReadLine(test.limit)
				if errors.Is(err, wire.ErrLineTooLong) {
					got, err = []byte("<too long>"), nil
				}
				if err != nil || string(got) != want {
					t.Errorf("%s, splits %v: line %d: got %.40q, %v; want %.40q", test.name, splits, i, got, err, want)
				}
			}
			if got, err := c.ReadLine(test.limit); !errors.Is(err, test.err) {
				t.Errorf("%s, splits %v: at the end: got %.40q, %v; want %v", test.name, splits, got, err, test.err)
			}
		}
	}
}

func TestReadLineWithoutEnd(t *testing.T) {
	t.Parallel()
	c, f := over(strings.Repeat("x", 1<<20) + "\r\nNOOP\r\n")
	if _, err := c.ReadLine(255); !errors.Is(err, wire.ErrLineTooLong) || !f.closed {
		t.Errorf("a line of 1 MiB: got %v, closed %v; want ErrLineTooLong and closed", err, f.closed)
	}
	if left := f.in.(*bytes.Reader).Len(); left < 1<<19 {
		t.Errorf("a line of 1 MiB: read up to %d octets before the end", left)
	}
	if got, err := c.ReadLine(255); err == nil {
		t.Errorf("after a line of 1 MiB: got %q; want an error", got)
	}
	if _, err := c.WriteString("+OK\r\n"); err != nil {
		t.Errorf("buffer a reply after a line of 1 MiB: %v", err)
	}
	if err := c.Flush(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("flush after a line of 1 MiB: got %v; want net.ErrClosed", err)
	}
}

func TestReadFlushesFirst(t *testing.T) {
	t.Parallel()
	c, f := over("STAT\r\nLIST\r\nNOOP\r\n", 12)
	next := func(want string) {
		t.Helper()
		if got, err := c.ReadLine(255); err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	next("STAT")
	c.WriteLine("+OK 1 100")
	if c.Buffered() != 6 {
		t.Errorf("two pipelined commands, one read: %d octets buffered; want 6", c.Buffered())
	}
	next("LIST")
	if f.out.Len() != 0 {
		t.Errorf("sent %q while a command was buffered; want nothing", f.out.String())
	}
	c.WriteLine("+OK 2 200")
	next("NOOP")
	if want := "+OK 1 100\r\n+OK 2 200\r\n"; f.out.String() != want {
		t.Errorf("sent %q before the wait; want %q", f.out.String(), want)
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

func TestReadNoProgress(t *testing.T) {
	t.Parallel()
	c := wire.NewConn(&fakeConn{in: emptyReader{}}, wire.Timeouts{})
	if _, err := c.ReadLine(255); err != io.ErrNoProgress {
		t.Errorf("reads that give nothing: got %v; want io.ErrNoProgress", err)
	}
}

// naiveLines reads lines as ReadLine does, from all of the input at once.
func naiveLines(input string, limit int) (lines []string, end error) {
	for {
		i := strings.IndexByte(input, '\n')
		switch {
		case i < 0 && input == "":
			return lines, io.EOF
		case input[0] == 0x16:
			return lines, wire.ErrTLSRecord
		case i < 0:
			return lines, io.ErrUnexpectedEOF
		case i+1 > limit:
			lines = append(lines, "<too long>")
		default:
			lines = append(lines, strings.TrimSuffix(input[:i], "\r"))
		}
		input = input[i+1:]
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add("USER a\r\nPASS b\nQUIT\r\n", []byte{1}, 255)
	f.Add("a\r\r\n\x00\n\r\nxxxxxxxxxxxxxxxxxx\r\n", []byte{2, 3}, 5)
	f.Fuzz(func(t *testing.T, input string, splits []byte, limit int) {
		if limit < 0 || limit > 1<<20 || len(input) > 60000 {
			return
		}
		want, end := naiveLines(input, limit)
		c, _ := over(input, splits...)
		for i, want := range want {
			got, err := c.ReadLine(limit)
			if errors.Is(err, wire.ErrLineTooLong) {
				got, err = []byte("<too long>"), nil
			}
			if err != nil || string(got) != want {
				t.Fatalf("line %d: got %q, %v; want %q", i, got, err, want)
			}
		}
		if got, err := c.ReadLine(limit); err != end {
			t.Fatalf("at the end: got %q, %v; want %v", got, err, end)
		}
	})
}
