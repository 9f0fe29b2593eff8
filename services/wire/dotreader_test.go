package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"postroom/services/wire"
)

// naiveDots is DotReader octet by octet: the body, what is behind its end, and whether it ended.
func naiveDots(input string) (body, rest string, whole bool) {
	var b strings.Builder
	line := true // input[i] begins a line
	for i := 0; i < len(input); i++ {
		if line && strings.HasPrefix(input[i:], ".\r\n") {
			return b.String(), input[i+3:], true
		}
		if line && input[i] == '.' {
			line = false
			continue
		}
		b.WriteByte(input[i])
		line = i > 0 && input[i-1] == '\r' && input[i] == '\n'
	}
	return b.String(), "", false
}

var dotTests = []struct {
	name, input string
	want        string
	rest        string
}{
	{"empty", ".\r\n", "", ""},
	{"one line", "a\r\n.\r\n", "a\r\n", ""},
	{"empty line", "\r\n.\r\n", "\r\n", ""},
	{"what follows stays", "a\r\n.\r\n+OK\r\n.\r\n", "a\r\n", "+OK\r\n.\r\n"},
	{"stuffed", "..\r\n...\r\n..a\r\n.\r\n", ".\r\n..\r\n.a\r\n", ""},
	{"a dot that should have been stuffed", ".a\r\n.\r\n", "a\r\n", ""},
	{"LF dot LF is no end", "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", ""},
	{"LF dot CRLF is no end", "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", ""},
	{"CRLF dot LF is no end", "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", ""},
	{"CR dot CR is no end", "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", ""},
	{"CRLF dot CR is no end", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", ""},
	{"CRLF dot CR CRLF is no end", "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", ""},
	{"CR CRLF dot CRLF is one", "a\r\r\n.\r\n", "a\r\r\n", ""},
	{"verbatim", "\x00\xff\r\x00\n\r\n\t\r\n.\r\n", "\x00\xff\r\x00\n\r\n\t\r\n", ""},
	{"LF CR LF dot CRLF is one", "a\n\r\n.\r\n", "a\n\r\n", ""},
	{"stuffed dot before CRLF", "..\r\n.\r\n", ".\r\n", ""},
}

func TestDotReader(t *testing.T) {
	t.Parallel()
	for _, test := range dotTests {
		for _, splits := range [][]byte{nil, {1}, {2}, {3, 1}, {5}} {
			for _, most := range []int{1, 2, 3, 4096} {
				c, _ := over(test.input, splits...)
				got, err := io.ReadAll(struct{ io.Reader }{atMost{c.DotReader(0), most}})
				if err != nil || string(got) != test.want {
					t.Errorf("%s: %q, splits %v, reads of %d: got %q, %v; want %q", test.name, test.input, splits, most, got, err, test.want)
				}
				if rest := readRest(c); rest != test.rest {
					t.Errorf("%s: %q, splits %v: %q is left; want %q", test.name, test.input, splits, rest, test.rest)
				}
			}
		}
	}
}

// atMost asks for at most n octets at a time.
type atMost struct {
	r io.Reader
	n int
}

func (a atMost) Read(p []byte) (int, error) { return a.r.Read(p[:min(len(p), a.n)]) }

// readRest gives what the dialogue would read on with, all lines with CRLF.
func readRest(c *wire.Conn) string {
	var b strings.Builder
	for {
		line, err := c.ReadLine(1 << 20)
		if err != nil {
			return b.String()
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
}

func TestDotReaderCutOff(t *testing.T) {
	t.Parallel()
	const whole = "a\r\n..b\r\n.\r\n"
	for i := range whole {
		c, _ := over(whole[:i])
		got, err := io.ReadAll(c.DotReader(0))
		if err != io.ErrUnexpectedEOF || !strings.HasPrefix("a\r\n.b\r\n", string(got)) {
			t.Errorf("%q: got %q, %v; want a part of the body and io.ErrUnexpectedEOF", whole[:i], got, err)
		}
	}
}

func TestDotReaderLimit(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789abcde\r\n", 10000) // 170,000 octets
	tests := []struct {
		name         string
		limit, drain int64
		want         int
		err          error
		drained      error
	}{
		{"no limit", 0, 0, len(body), nil, nil},
		{"just fits", int64(len(body)), 0, len(body), nil, nil},
		{"one too many", int64(len(body)) - 1, 10, len(body) - 1, wire.ErrTooLarge, nil},
		{"drained", 1000, 1 << 20, 1000, wire.ErrTooLarge, nil},
		{"too large to drain", 1000, 1000, 1000, wire.ErrTooLarge, wire.ErrTooLarge},
	}
	for _, test := range tests {
		for _, copied := range []bool{false, true} {
			c, _ := over(body+".\r\n+OK next\r\n", 0, 3, 200)
			d := c.DotReader(test.limit)
			var got bytes.Buffer
			var err error
			if copied {
				_, err = io.Copy(&got, d)
			} else {
				_, err = io.Copy(&got, struct{ io.Reader }{d})
			}
			if got.String() != body[:test.want] || !errors.Is(err, test.err) {
				t.Errorf("%s (WriteTo %v): got %d octets, %v; want %d, %v", test.name, copied, got.Len(), err, test.want, test.err)
			}
			if err := d.Drain(test.drain); !errors.Is(err, test.drained) {
				t.Errorf("%s: drain: got %v; want %v", test.name, err, test.drained)
			}
			if test.drained != nil {
				continue
			}
			if line, err := c.ReadLine(255); string(line) != "+OK next" {
				t.Errorf("%s: the next line: got %q, %v", test.name, line, err)
			}
		}
	}
}

func TestDrainUnread(t *testing.T) {
	t.Parallel()
	c, _ := over("a\r\nb\r\n.\r\n+OK\r\n")
	if err := c.DotReader(0).Drain(6); err != nil {
		t.Errorf("drain a body of 6 octets within 6: %v", err)
	}
	if line, err := c.ReadLine(255); string(line) != "+OK" {
		t.Errorf("the next line: got %q, %v", line, err)
	}
	c, _ = over("a\r\n")
	if err := c.DotReader(0).Drain(6); err != io.ErrUnexpectedEOF {
		t.Errorf("drain a body that is cut off: got %v; want io.ErrUnexpectedEOF", err)
	}
}

// FuzzDotReader holds the reader, for any split and size of reads, to the one that goes octet by octet.
func FuzzDotReader(f *testing.F) {
	for _, test := range dotTests {
		f.Add(test.input, []byte{1, 2, 3}, byte(5))
	}
	f.Fuzz(func(t *testing.T, input string, splits []byte, most byte) {
		body, rest, whole := naiveDots(input)
		end := io.EOF
		if !whole {
			end = io.ErrUnexpectedEOF
		}

		c, _ := over(input, splits...)
		d := c.DotReader(0)
		var got []byte
		var err error
		p := make([]byte, int(most)+1)
		for err == nil {
			var n int
			n, err = d.Read(p)
			got = append(got, p[:n]...)
		}
		checkDots(t, "Read", string(got), err, body, end, whole)
		if whole {
			checkRest(t, c, rest)
		}

		c, _ = over(input, splits...)
		var b bytes.Buffer
		_, err = c.DotReader(0).WriteTo(&b)
		if err == nil {
			err = io.EOF
		}
		checkDots(t, "WriteTo", b.String(), err, body, end, whole)
	})
}

// checkDots allows a body that was cut off to lack a last dot or ".", CR, which could have
// been stuffing or the end.
func checkDots(t *testing.T, name, got string, err error, body string, end error, whole bool) {
	t.Helper()
	if err != end {
		t.Fatalf("%s: got error %v; want %v", name, err, end)
	}
	if got != body && (whole || got+"\r" != body) {
		t.Fatalf("%s: got %q; want %q", name, got, body)
	}
}

func checkRest(t *testing.T, c *wire.Conn, want string) {
	t.Helper()
	lines, _ := naiveLines(want, 1<<20)
	for i, line := range lines {
		if got, err := c.ReadLine(1 << 20); err != nil || string(got) != line {
			t.Fatalf("line %d behind the end: got %q, %v; want %q", i, got, err, line)
		}
	}
}
