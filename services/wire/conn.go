// Package wire carries the line protocols of mail: lines, dot-stuffed bodies, their deadlines
// and their limits, for POP3 both ways and for SMTP.
//
// A Conn is used by one goroutine, that of the dialogue; only Interrupt and Close may come
// from another one. What is written is sent when the dialogue waits for input, when a buffer
// is full, or by Flush: replies to pipelined commands leave together (RFC 2449 §6.6).
package wire

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// Limits of the POP3 dialogue, in octets, line ends included.
const (
	MaxCommand = 255 // RFC 2449 §4
	MaxReply   = 512 // RFC 2449 §4: the first line of a reply
)

// Errors that callers branch on.
var (
	// ErrLineTooLong means that a line passed its limit. It was read to its end, so the
	// peer can be told and the dialogue goes on; where the end didn't come within
	// maxSkip octets, the connection is closed already.
	ErrLineTooLong = errors.New("line too long")
	// ErrTooLarge means that a multi-line reply or message passed its limit; see DotReader.Drain.
	ErrTooLarge = errors.New("too many octets")
	// ErrBufferedPlaintext means that the peer sent more behind the command or reply that
	// starts TLS: what an attacker put there would be taken for what came under TLS
	// (RFC 2595 §4, CVE-2011-0411). The connection is closed.
	ErrBufferedPlaintext = errors.New("plain text was sent behind the start of TLS")
	// ErrTLSRecord means that the peer began with TLS where the dialogue begins without.
	ErrTLSRecord = errors.New("a TLS record where a line was due")
	// ErrInterrupted is what every read and write gives once Interrupt was called.
	ErrInterrupted = errors.New("connection interrupted")
	// ErrLineBreak means that a line to be written held a CR or LF, which would make it two.
	ErrLineBreak = errors.New("line break inside a line to be sent")
)

// Timeouts are the longest waits of a Conn. Zero means the default of each.
type Timeouts struct {
	// Command bounds the wait for one whole line, the sending of what was written, a TLS
	// handshake, and within a transfer the time in which no octet moves.
	// Default: 10 minutes, the least that RFC 1939 §3 allows a server.
	Command time.Duration
	// Transfer bounds one multi-line reply or message, from its first octet to its last.
	// Default: one hour.
	Transfer time.Duration
}

const (
	defaultCommand  = 10 * time.Minute
	defaultTransfer = time.Hour
)

// Conn is a network connection that a dialogue is held on. It sets all deadlines, each for
// both directions: under TLS a read may write and a write may read.
//
// An idle Conn holds one read buffer of 4 KiB. Buffers for writing, and the larger ones for
// a transfer, are borrowed while they are in use.
type Conn struct {
	times Timeouts // set once

	// Owned by the goroutine of the dialogue.
	in       []byte    // the read buffer, smallBuffer or largeBuffer long
	r, w     int       // in[r:w] was received and not yet read
	flood    bool      // the last read filled the buffer: a larger one pays
	readErr  error     // what ended reading; given again to each later read
	spill    []byte    // a line that crossed the end of the read buffer
	out      []byte    // written, not yet sent; nil when empty
	writeErr error     // what ended writing
	end      time.Time // of the transfer that is under way; zero outside one

	mu          sync.Mutex // nc's replacement and its deadlines
	nc          net.Conn
	interrupted bool
}

// NewConn returns a Conn over nc, which it owns from now on. For implicit TLS the first call
// is StartTLSServer or StartTLSClient.
func NewConn(nc net.Conn, times Timeouts) *Conn {
	if times.Command <= 0 {
		times.Command = defaultCommand
	}
	if times.Transfer <= 0 {
		times.Transfer = defaultTransfer
	}
	return &Conn{times: times, nc: nc}
}

// Close closes the connection at once: what was written and not flushed is dropped, so that
// a body cut off by an error has no end that would make it look whole.
func (c *Conn) Close() error {
	c.mu.Lock()
	nc, interrupted := c.nc, c.interrupted
	c.mu.Unlock()
	if t, ok := nc.(*tls.Conn); ok && interrupted {
		nc = t.NetConn() // a close_notify would set a deadline of its own and wait
	}
	return nc.Close()
}

// TLS gives the state of the connection's TLS; ok is false while it is plain.
func (c *Conn) TLS() (state tls.ConnectionState, ok bool) {
	t, ok := c.conn().(*tls.Conn)
	if !ok {
		return tls.ConnectionState{}, false
	}
	return t.ConnectionState(), true
}

// RemoteAddr gives the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.conn().RemoteAddr() }

// LocalAddr gives the address that the peer connected to.
func (c *Conn) LocalAddr() net.Addr { return c.conn().LocalAddr() }

func (c *Conn) conn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc
}
