package mail

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/emersion/go-message"
)

// Limits of what Check follows. A mail beyond them isn't one that a person wrote.
const (
	maxDepth   = 64        // multiparts in one another
	maxParts   = 10_000    // in the whole message, multiparts too
	maxHeader  = 256 << 10 // octets of one part's header and of what is before its boundary
	maxHeaders = 1 << 20   // octets of the headers of the multiparts that are open at once
	maxFields  = 10_000    // fields of the same headers
	maxReason  = 200       // octets of a ParseError's reason
)

// ParseError says what of a message can't be parsed. Reason quotes what the message holds,
// cut off where it is long: for the log and the quarantine, not for a peer.
type ParseError struct {
	Part   string // "" the message itself, "2" its second part, "2.1" that one's first
	Reason string
}

func (e *ParseError) Error() string {
	if e.Part == "" {
		return "parse the message: " + e.Reason
	}
	return "parse part " + e.Part + ": " + e.Reason
}

// Check parses the whole message: all headers, the multiparts in one another, the transfer
// encoding of each part to its end. It gives a *ParseError for what can't be parsed, r's own
// error where r fails, and else nil. A charset that isn't known is no error, a transfer
// encoding is one; an attached message is not looked into. It holds the open parts' headers
// and small buffers, whatever the message's size.
func Check(r io.Reader) error {
	c := &checker{source: source{r: r, left: maxHeader}}
	err := c.message()
	var parse *ParseError
	switch {
	case c.source.err != nil && c.source.err != io.EOF:
		return c.source.err
	case err == nil || errors.As(err, &parse):
		return err
	}
	return c.refuse(reason(err))
}

// checker is the walk through one message. Its parts are walked in the order in which they
// stand, so that nothing is held.
type checker struct {
	source source
	open   []multipart // the multiparts that the walk is in
	parts  int
}

// multipart is one whose parts are being walked.
type multipart struct {
	entity *message.Entity
	reader message.MultipartReader
	part   int // counted from 1
	octets int // of its header, at most
	fields int
}

func (c *checker) message() error {
	entity, err := message.ReadWithOptions(&c.source, &message.ReadOptions{MaxHeaderBytes: -1}) // source has the limit
	if c.source.empty {
		return c.refuse("it is empty")
	}
	if err := c.enter(entity, err); err != nil {
		return err
	}
	for len(c.open) > 0 {
		m := &c.open[len(c.open)-1]
		m.part++
		c.source.left = maxHeader
		entity, err := m.reader.NextPart()
		if err == io.EOF {
			m.part = 0 // whatever is wrong from here on is wrong with the multipart
			if err := c.drain(m.entity.Body); err != nil {
				return err
			}
			c.open = c.open[:len(c.open)-1]
			continue
		}
		if err := c.enter(entity, err); err != nil {
			return err
		}
	}
	return nil
}

// enter takes a part whose header was read: a multipart is opened, another part read to its end.
func (c *checker) enter(entity *message.Entity, err error) error {
	if err != nil && !message.IsUnknownCharset(err) {
		return err
	}
	if c.parts++; c.parts > maxParts {
		return c.refuse("it has more than " + strconv.Itoa(maxParts) + " parts")
	}
	reader := entity.MultipartReader()
	if reader == nil {
		return c.drain(entity.Body)
	}
	m := multipart{entity: entity, reader: reader, octets: maxHeader - c.source.left, fields: entity.Header.Len()}
	c.open = append(c.open, m)
	octets, fields := 0, 0
	for _, m := range c.open {
		octets, fields = octets+m.octets, fields+m.fields
	}
	switch {
	case len(c.open) > maxDepth:
		return c.refuse(fmt.Sprintf("more than %d multiparts are in one another", maxDepth))
	case octets > maxHeaders:
		return c.refuse(fmt.Sprintf("the headers of multiparts in one another hold more than %d octets", maxHeaders))
	case fields > maxFields:
		return c.refuse(fmt.Sprintf("the headers of multiparts in one another hold more than %d fields", maxFields))
	}
	return nil
}

// drain reads a body, or what is left of one, to its end.
func (c *checker) drain(body io.Reader) error {
	c.source.left = -1
	_, err := io.Copy(io.Discard, body)
	return err
}

func (c *checker) refuse(reason string) error {
	var path []string
	for _, m := range c.open {
		if m.part > 0 {
			path = append(path, strconv.Itoa(m.part))
		}
	}
	return &ParseError{Part: strings.Join(path, "."), Reason: reason}
}

// reason puts an error of the parser, which may hold any octets of the message, into words
// for a log.
func reason(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), strings.HasSuffix(err.Error(), "NextPart: EOF"):
		return "it ends before its last boundary, or inside its encoding"
	case strings.HasSuffix(err.Error(), errHeaderTooLong.Error()): // the parser drops what it wraps
		return errHeaderTooLong.Error()
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "message: "), "multipart: ")
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		text = quoted
	}
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

var errHeaderTooLong = fmt.Errorf("a header, and what is before its boundary, holds more than %d octets", maxHeader)

// source is what the parser reads: the message, with a bound on what is read for one header,
// which the parser would hold whole. (Only its reader of a message's own header has a limit.)
type source struct {
	r     io.Reader
	left  int  // octets of the header; negative: not in one
	empty bool // r ended before its first octet
	began bool
	err   error // of r
}

func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, errHeaderTooLong
	}
	if s.left > 0 {
		p = p[:min(len(p), s.left)]
	}
	n, err := s.r.Read(p)
	if s.err == nil {
		s.err = err
	}
	s.began = s.began || n > 0
	s.empty = err == io.EOF && !s.began
	if s.left > 0 {
		s.left -= n
	}
	return n, err
}
