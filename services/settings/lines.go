package settings

import (
	"bytes"
	"sort"
)

// lines knows the offset at which each line of a text starts.
type lines struct {
	starts []int
	length int
}

func newLines(text []byte) *lines {
	l := &lines{starts: []int{0}, length: len(text)}
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 || at+i+1 == len(text) {
			return l
		}
		at += i + 1
		l.starts = append(l.starts, at)
	}
}

func (l *lines) count() int { return len(l.starts) }

// line gives the line, from 1, that an offset is in; what is behind the end belongs to the last.
func (l *lines) line(offset int) int {
	return sort.SearchInts(l.starts, offset+1)
}

// offset gives where a line starts; behind the last one, the length of the text.
func (l *lines) offset(line int) int {
	if line > len(l.starts) {
		return l.length
	}
	return l.starts[line-1]
}
