package wire_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"postroom/services/wire"
)

func TestLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, input string
		limit       int
		octets      int64
		want        []string
		err         error
	}{
		{"none", ".\r\n", 512, 0, nil, nil},
		{"two", "1 120\r\n2 200\r\n.\r\n", 512, 0, []string{"1 120", "2 200"}, nil},
		{"empty, stuffed", "\r\n..x\r\n.\r\n", 512, 0, []string{"", ".x"}, nil},
		{"LF ends none", "1 a\n2 b\r\n.\r\n", 512, 0, []string{"1 a\n2 b"}, nil},
		{"at the limit", "12345\r\n.\r\n", 7, 0, []string{"12345"}, nil},
		{"over it", "1\r\n123456\r\n2\r\n.\r\n", 7, 0, []string{"1"}, wire.ErrLineTooLong},
		{"too many octets", "1\r\n2\r\n3\r\n.\r\n", 7, 6, []string{"1", "2"}, wire.ErrTooLarge},
		{"cut off", "1\r\n2", 7, 0, []string{"1"}, io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		for _, splits := range [][]byte{nil, {1}, {3}} {
			c, _ := over(test.input, splits...)
			var got []string
			var err error
			for line, e := range c.DotReader(test.octets).Lines(test.limit) {
				if err = e; e == nil {
					got = append(got, string(line))
				}
			}
			if !slices.Equal(got, test.want) || !errors.Is(err, test.err) {
				t.Errorf("%s: %q, splits %v: got %q, %v; want %q, %v", test.name, test.input, splits, got, err, test.want, test.err)
			}
		}
	}
}

func TestLinesLeftEarly(t *testing.T) {
	t.Parallel()
	c, _ := over("1\r\n2\r\n3\r\n.\r\n+OK\r\n", 4)
	d := c.DotReader(0)
	for range d.Lines(512) {
		break
	}
	if err := d.Drain(100); err != nil {
		t.Errorf("drain: %v", err)
	}
	if line, err := c.ReadLine(512); string(line) != "+OK" {
		t.Errorf("the next line: got %q, %v", line, err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add("1 120\r\n2 200\r\n.\r\n", []byte{1}, 10)
	f.Add("..\n\r\r\n\r\n.\r\n", []byte{2}, 3)
	f.Fuzz(func(t *testing.T, input string, splits []byte, limit int) {
		body, _, whole := naiveDots(input)
		if !whole || limit < 2 {
			return
		}
		var want []string
		var end error
		for line := range strings.SplitAfterSeq(body, "\r\n") {
			if line == "" {
				continue
			}
			if len(line) > limit {
				end = wire.ErrLineTooLong
				break
			}
			want = append(want, strings.TrimSuffix(line, "\r\n"))
		}
		c, _ := over(input, splits...)
		var got []string
		var err error
		for line, e := range c.DotReader(0).Lines(limit) {
			if err = e; e == nil {
				got = append(got, string(line))
			}
		}
		if !slices.Equal(got, want) || !errors.Is(err, end) {
			t.Fatalf("got %q, %v; want %q, %v", got, err, want, end)
		}
	})
}
