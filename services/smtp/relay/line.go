package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	lineBuffer = 32 << 10 // octets that are written at once: two TLS records
	maxReply   = 64 << 10 // octets of one reply, all of its lines
)

// past is a deadline that every read and write has missed.
var past = time.Unix(1, 0)

var (
	errReplyTooLong = errors.New("a reply that doesn't end")
	errPlaintext    = errors.New("plain text was sent behind the start of TLS") // CVE-2011-0411
)

// line is what go-smtp's client talks over, and mends what it lacks: writes within DATA have deadlines, a reply has a
// limit, what is written goes out in large pieces when an answer is wanted, and STARTTLS comes behind an EHLO with the box's own
// name (go-smtp's says "localhost" there, which some servers hang up on, and has no other way: its pull requests 266, 297).
type line struct {
	net.Conn // TCP at first, then TLS
	times    Times

	// Owned by the goroutine of the dialogue.
	out      []byte
	greeting []byte    // read before what the network brings
	got      int       // octets since something was last sent
	by       time.Time // the deadline of the command under way; zero: in DATA
	transfer time.Time // the end of DATA, at the latest
	writeErr error

	mu          sync.Mutex // the deadlines
	interrupted bool
}

func newLine(nc net.Conn, times Times) *line { return &line{Conn: nc, times: times} }

// interrupt ends what is under way, and all that comes.
func (l *line) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupted = true
	l.Conn.SetDeadline(past)
}

func (l *line) arm(by time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interrupted {
		return context.Canceled
	}
	return l.Conn.SetDeadline(by)
}

// SetDeadline is called by go-smtp: with a time before each command, and with none behind it.
func (l *line) SetDeadline(by time.Time) error {
	l.by = by
	return nil
}

// beginData puts all that is sent until endData under one deadline.
func (l *line) beginData() { l.transfer = time.Now().Add(l.times.Transfer) }
func (l *line) endData()   { l.transfer = time.Time{} }

// deadline is when what begins now must be done.
func (l *line) deadline() time.Time {
	by := l.by
	if by.IsZero() {
		by = time.Now().Add(l.times.Block)
	}
	if !l.transfer.IsZero() && l.transfer.Before(by) {
		by = l.transfer
	}
	return by
}

func (l *line) Write(p []byte) (int, error) {
	if l.writeErr != nil {
		return 0, l.writeErr
	}
	l.out = append(l.out, p...)
	if len(l.out) < lineBuffer {
		return len(p), nil
	}
	if err := l.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *line) flush() error {
	if l.writeErr != nil || len(l.out) == 0 {
		return l.writeErr
	}
	l.got = 0
	if l.writeErr = l.arm(l.deadline()); l.writeErr != nil {
		return l.writeErr
	}
	_, l.writeErr = l.Conn.Write(l.out)
	l.out = l.out[:0]
	return l.writeErr
}

func (l *line) Read(p []byte) (int, error) {
	if len(l.greeting) > 0 {
		n := copy(p, l.greeting)
		l.greeting = l.greeting[n:]
		return n, nil
	}
	if err := l.flush(); err != nil {
		return 0, err
	}
	if l.got > maxReply {
		return 0, errReplyTooLong
	}
	if err := l.arm(l.deadline()); err != nil {
		return 0, err
	}
	n, err := l.Conn.Read(p)
	l.got += n
	return n, err
}

// startTLS goes on under TLS: as the first thing, or behind STARTTLS. Afterwards a new client begins on the line, which is given
// a greeting to read: there is none behind STARTTLS.
func (l *line) startTLS(config *tls.Config) error {
	l.by = time.Now().Add(l.times.Command)
	if err := l.arm(l.by); err != nil {
		return err
	}
	t := tls.Client(l.Conn, config)
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	l.mu.Lock()
	l.Conn = t
	l.mu.Unlock()
	return nil
}

// askTLS sends STARTTLS and reads its reply, behind which nothing may stand in the clear. What the server sent before the
// command has been read by then, and is never looked at.
func (l *line) askTLS() (code int, text string, err error) {
	l.by = time.Now().Add(l.times.Command)
	if _, err := l.Write([]byte("STARTTLS\r\n")); err != nil {
		return 0, "", err
	}
	var reply []byte
	part := make([]byte, 1024)
	for {
		n, err := l.Read(part)
		reply = append(reply, part[:n]...)
		if end, last := lastLine(reply); end > 0 {
			if code, err = strconv.Atoi(last[:3]); err != nil {
				return 0, "", fmt.Errorf("reply to STARTTLS: %q", last)
			}
			if end < len(reply) {
				return 0, "", errPlaintext
			}
			return code, last[min(4, len(last)):], nil
		}
		if err != nil {
			return 0, "", err
		}
	}
}

// lastLine finds the line that ends a reply: the first without a hyphen behind its code. end is what stands before the octet behind it.
func lastLine(reply []byte) (end int, line string) {
	at := 0
	for {
		i := bytes.IndexByte(reply[at:], '\n')
		if i < 0 {
			return 0, ""
		}
		text := bytes.TrimRight(reply[at:at+i], "\r")
		at += i + 1
		if len(text) < 4 || text[3] != '-' {
			return at, string(text) + "   "[:max(0, 3-len(text))]
		}
	}
}
