package pop3

import (
	"bytes"
	"context"
	"io"
	"strconv"
)

// top is TOP (RFC 1939 §7): the header with its prefix, the blank line, and so many lines of the body. It
// retrieves nothing.
func (s *session) top(ctx context.Context, argument []byte) error {
	number, count, _ := bytes.Cut(bytes.TrimRight(argument, " "), []byte{' '})
	lines, err := strconv.ParseUint(string(count), 10, 64)
	if err != nil {
		return protocolError("TOP needs a message number and a number of lines")
	}
	m, err := s.mailbox.message(number)
	if err != nil {
		return err
	}
	return s.send(ctx, m, "top of message follows", func(w io.Writer) io.Writer {
		return &topWriter{w: w, lines: lines}
	})
}

// topWriter lets the top of a message pass, then gives errEnough. A bare LF ends a line here as CRLF does.
type topWriter struct {
	w      io.Writer
	lines  uint64 // of the body that are still wanted
	inBody bool   // behind the blank line
	text   bool   // the line that is under way isn't a blank one
	cr     bool   // it is a CR so far
}

func (t *topWriter) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && !t.enough() {
		n += t.line(p[n:])
	}
	if n, err := t.w.Write(p[:n]); err != nil {
		return n, err
	}
	if t.enough() {
		return n, errEnough
	}
	return n, nil
}

func (t *topWriter) enough() bool { return t.inBody && t.lines == 0 }

// line takes what p has of the line that is under way, and gives its length.
func (t *topWriter) line(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		t.content(p)
		return len(p)
	}
	t.content(p[:end])
	switch {
	case t.inBody:
		t.lines--
	case !t.text:
		t.inBody = true
	}
	t.text, t.cr = false, false
	return end + 1
}

// content takes octets of a line before its LF. Only a line of nothing, or of one CR, is blank.
func (t *topWriter) content(p []byte) {
	if len(p) == 0 {
		return
	}
	t.text = t.text || t.cr || len(p) > 1 || p[0] != '\r'
	t.cr = true
}
