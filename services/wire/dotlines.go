package wire

import (
	"bytes"
	"io"
	"iter"
	"math"
)

// Lines gives the body's lines one by one, for LIST, UIDL and CAPA: a line ends at CRLF, is
// at most limit octets long, that included, and is given without it, good until the next
// one. The first error is the last thing given; a longer line is ErrLineTooLong. A loop that
// is left early leaves the rest to Drain.
func (d *DotReader) Lines(limit int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var rest []byte
		for {
			part, err := d.take(math.MaxInt)
			if err == io.EOF {
				return // behind a CRLF, so rest is empty
			}
			if err != nil {
				yield(nil, err)
				return
			}
			rest = append(rest, part...)
			lines := rest
			for {
				i := bytes.Index(lines, crlfDot[:2])
				if i+2 > limit || i < 0 && len(lines) >= limit {
					yield(nil, tooLong(limit))
					return
				}
				if i < 0 {
					break
				}
				if !yield(lines[:i], nil) {
					return
				}
				lines = lines[i+2:]
			}
			rest = rest[:copy(rest, lines)]
		}
	}
}
