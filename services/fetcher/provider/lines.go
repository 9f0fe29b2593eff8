package provider

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errCut is what a reader of lines is given beside one that was cut at maxLine octets.
var errCut = errors.New("longer than a line may be")

// lines reads a multi-line reply behind its status. A line over maxLine is given cut, and told as that.
func (c *Conn) lines(word string, most int, each func(line string, cut error) error) error {
	n := 0
	give := func(line []byte, cut error) error {
		if n++; n > most {
			return fmt.Errorf("answer to %s has more than %d lines: %w", word, most, ErrProtocol)
		}
		return each(string(line), cut)
	}
	var s splitter
	reply := c.wire.DotReader(0)
	buf := make([]byte, 4<<10)
	for {
		got, err := reply.Read(buf)
		if err := s.split(buf[:got], give); err != nil {
			return err
		}
		if err == io.EOF {
			return nil // behind a CRLF
		}
		if err != nil {
			return c.failed("answer to "+word, err)
		}
	}
}

// splitter cuts what comes in pieces into lines that end in CRLF.
type splitter struct {
	line []byte // what is known of the line, at most maxLine octets and a CR
	cr   bool   // a CR is its last octet so far
	cut  error
}

func (s *splitter) split(p []byte, give func(line []byte, cut error) error) error {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.add(p)
			return nil
		}
		s.add(p[:i])
		if p = p[i+1:]; !s.cr {
			s.add([]byte("\n"))
			continue
		}
		if err := give(bytes.TrimSuffix(s.line, []byte("\r")), s.cut); err != nil {
			return err
		}
		*s = splitter{line: s.line[:0]}
	}
	return nil
}

func (s *splitter) add(p []byte) {
	if len(p) == 0 {
		return
	}
	s.cr = p[len(p)-1] == '\r'
	content := len(p)
	if s.cr {
		content--
	}
	if len(s.line)+content > maxLine {
		p, s.cut = p[:max(0, maxLine-len(s.line))], errCut
	}
	s.line = append(s.line, p...)
}
