// Package mbox writes mails one behind the other into an mbox file (RFC 4155), in the form that Unix mail
// programs and Python's mailbox.mbox read.
//
//	From MAILER-DAEMON Mon Nov 23 09:30:01 2026     when it was received, UTC
//	>From here on a body's lines are quoted         the mboxrd rule: a line ">…>From " gets one more ">"
//	                                                an empty line behind each mail
//
// A line ends in LF: a mail's CRLF becomes LF, a lone CR or LF stays as it is, and a last line without an end
// gets one. Taking one ">" off each line that begins with one or more ">" and "From " gives the mail back.
package mbox

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// Writer writes mails. Close ends the last one.
type Writer struct {
	to *bufio.Writer

	octets int64  // written
	within bool   // a mail is begun
	quotes bool   // only ">" came of this line yet
	match  int    // how much of "From " came behind them, where quotes
	cr     bool   // a CR is held back: an LF may follow
	last   byte   // written last
	from   []byte // scratch of the From_ line
}

const separator = "From "

// NewWriter gives a writer of an mbox.
func NewWriter(w io.Writer) *Writer { return &Writer{to: bufio.NewWriterSize(w, 64<<10)} }

// Begin begins a mail; what is written then is its octets, until the next Begin or Close.
func (w *Writer) Begin(received time.Time) error {
	if err := w.end(); err != nil {
		return err
	}
	w.from = append(w.from[:0], "From MAILER-DAEMON "...)
	w.from = received.UTC().AppendFormat(w.from, time.ANSIC)
	w.from = append(w.from, '\n')
	if err := w.put(w.from); err != nil {
		return err
	}
	w.within, w.quotes, w.match, w.cr = true, true, 0, false
	return nil
}

// Write takes octets of the mail that was begun.
func (w *Writer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n, err := w.some(rest)
		if err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// some takes one octet or more.
func (w *Writer) some(p []byte) (int, error) {
	c := p[0]
	if w.cr && c != '\n' {
		if err := w.put([]byte{'\r'}); err != nil {
			return 0, err
		}
	}
	w.cr = false
	switch {
	case c == '\r':
		w.cr = true
		return 1, w.begun()
	case c == '\n':
		err := w.begun()
		w.quotes = true
		return 1, errors.Join(err, w.put(p[:1]))
	case w.quotes:
		return 1, w.quote(c)
	}
	n := bytes.IndexAny(p, "\r\n")
	if n < 0 {
		n = len(p)
	}
	return n, w.put(p[:n])
}

// quote takes an octet at a line's beginning. Whether a ">" is put in front of those that are there or behind
// them makes no difference, so nothing of the line has to be kept but what came of "From ".
func (w *Writer) quote(c byte) error {
	switch {
	case c == separator[w.match]:
		w.match++
		if w.match < len(separator) {
			return nil
		}
		if err := w.put([]byte(">")); err != nil {
			return err
		}
		return w.begun()
	case c == '>' && w.match == 0:
		return w.put([]byte{c})
	}
	if err := w.begun(); err != nil {
		return err
	}
	return w.put([]byte{c})
}

// begun writes what came of "From ": the line is decided.
func (w *Writer) begun() error {
	came := separator[:w.match]
	w.quotes, w.match = false, 0
	return w.put([]byte(came))
}

// end ends the mail that was begun.
func (w *Writer) end() error {
	if !w.within {
		return nil
	}
	w.within = false
	if err := w.begun(); err != nil {
		return err
	}
	var tail []byte
	if w.cr {
		tail = append(tail, '\r')
	}
	if len(tail) > 0 || w.last != '\n' {
		tail = append(tail, '\n')
	}
	return w.put(append(tail, '\n'))
}

func (w *Writer) put(p []byte) error {
	n, err := w.to.Write(p)
	w.octets += int64(n)
	if n > 0 {
		w.last = p[n-1]
	}
	return err
}

// Octets is how much was written.
func (w *Writer) Octets() int64 { return w.octets }

// Close ends the last mail and flushes; it doesn't close what is below.
func (w *Writer) Close() error {
	if err := w.end(); err != nil {
		return err
	}
	return w.to.Flush()
}
