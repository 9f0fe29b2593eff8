package pop3

import (
	"errors"
	"strings"
	"testing"
)

func TestTopWriter(t *testing.T) {
	t.Parallel()
	const head = "A: b\r\n\r\n"
	for _, tt := range []struct {
		name, mail, want string
		lines            uint64
	}{
		{"header alone", head + "1\r\n2\r\n", head, 0},
		{"one line", head + "1\r\n2\r\n", head + "1\r\n", 1},
		{"more than there is", head + "1\r\n2", head + "1\r\n2", 9},
		{"blank lines count", head + "\r\n\r\n2\r\n", head + "\r\n\r\n", 2},
		{"no body", "A: b\r\n", "A: b\r\n", 3},
		{"bare LF", "A: b\n\n1\n2\n", "A: b\n\n1\n", 1},
		{"CR inside a line", "A: b\r\n\r\r\n\r\n1\r\n", "A: b\r\n\r\r\n\r\n", 0},
		{"begins with the blank line", "\r\n1\r\n2\r\n", "\r\n1\r\n", 1},
		{"nothing", "", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= len(tt.mail)+1; size++ {
				var got strings.Builder
				w := &topWriter{w: &got, lines: tt.lines}
				for rest := tt.mail; rest != ""; {
					n := min(size, len(rest))
					if _, err := w.Write([]byte(rest[:n])); errors.Is(err, errEnough) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if got.String() != tt.want {
					t.Errorf("%q in parts of %d, %d lines: got %q, want %q", tt.mail, size, tt.lines, &got, tt.want)
				}
			}
		})
	}
}
