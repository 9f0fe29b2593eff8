package provider

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// FuzzSplitter asks that lines are the same however they come in pieces, and never longer than maxLine.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte("1 a\r\n2 \r\r\n3 b\nc\r\n\r\n"), []byte{1, 2})
	f.Add(append(bytes.Repeat([]byte("x"), maxLine), "\r\n1 \r\n"...), []byte{255, 3})
	f.Add(append(bytes.Repeat([]byte("x"), maxLine+1), "\r\r\n1 \r\n"...), []byte{255, 3, 2})
	f.Fuzz(func(t *testing.T, text, splits []byte) {
		var want []string
		for line := range bytes.SplitSeq(text, []byte("\r\n")) {
			want = append(want, fmt.Sprintf("%q %t", line[:min(len(line), maxLine)], len(line) > maxLine))
		}
		want = want[:len(want)-1]
		var s splitter
		var got []string
		rest := text
		for i := 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(splits) > 0 {
				n = min(n, int(splits[i%len(splits)]))
			}
			err := s.split(rest[:max(n, 1)], func(line []byte, cut error) error {
				got = append(got, fmt.Sprintf("%q %t", line, cut != nil))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[max(n, 1):]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q in pieces of %v:\ngot  %.300q\nwant %.300q", text, splits, got, want)
		}
	})
}
