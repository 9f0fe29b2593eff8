// Package provider talks POP3 to the providers: which of them the rule allows and how they are reached, the
// dialogue up to QUIT, and what their refusals mean.
package provider

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"postroom/services/wire"
)

// Times and limits of the dialogue.
const (
	transferTimeout = 2 * time.Hour // for one mail

	maxReply   = 4096      // octets of a reply's first line; RFC 2449 §4 says 512
	maxLine    = 4096      // octets of a line in a listing
	maxListing = 1_000_000 // lines of a listing
	maxCapa    = 100       // lines of CAPA's reply

	// pipelined is how many commands may wait for their answers, where the provider offers it: all of
	// them, 3 KiB, fit into the provider's receive buffer, so nobody waits for a peer that waits for him.
	pipelined = 256
)

// ErrProtocol means that the provider doesn't speak POP3 as far as it matters here.
var ErrProtocol = errors.New("not understood")

// Conn is a session with a provider. One goroutine uses it. After an error that isn't a *Refusal only Close
// makes sense.
type Conn struct {
	host string
	log  *slog.Logger
	wire *wire.Conn

	ended func() error // why the context of Open ended, which interrupts the session; nil: it didn't
	unctx func() bool  // ends the watch on that context

	capa     map[string]string // command word in capitals: the rest of the line; nil: no CAPA
	lockStep bool              // PIPELINING isn't used
	waiting  []string          // command words that were sent and not yet answered, oldest first
	ahead    bool              // a command was sent before the one in front of it was answered

	password wire.Secret // that was sent; masked in what comes
}

// Address is the provider's address and port, for the log.
func (c *Conn) Address() string { return c.wire.RemoteAddr().String() }

// Window is how many commands may be queued before their answers are read.
func (c *Conn) Window() int {
	if _, ok := c.capa["PIPELINING"]; ok && !c.lockStep {
		return pipelined
	}
	return 1
}

// LockStep makes Window 1: some offer PIPELINING and lose what comes before they answered (RFC 2449 §6.6).
func (c *Conn) LockStep() { c.lockStep = true }

// Stuck tells whether an error of this session is that of a provider that fell silent when it was sent commands ahead.
func (c *Conn) Stuck(err error) bool { return c.ahead && errors.Is(err, os.ErrDeadlineExceeded) }

// Close drops the session: what DELE marked stays at the provider.
func (c *Conn) Close() error {
	c.unctx()
	return c.wire.Close()
}

// send queues a command; shown is its form for the log.
func (c *Conn) send(word, command, shown string) error {
	if err := c.wire.WriteLine(command); err != nil {
		return c.failed("send "+word, err)
	}
	c.ahead = c.ahead || len(c.waiting) > 0
	c.waiting = append(c.waiting, word)
	c.log.Debug("sent", "line", shown)
	return nil
}

// status reads the first line of the answer to the oldest command that waits for one.
func (c *Conn) status() error {
	word := ""
	if len(c.waiting) > 0 {
		word, c.waiting = c.waiting[0], c.waiting[1:]
	}
	if err := c.wire.Flush(); err != nil {
		return c.failed("send "+word, err)
	}
	line, err := c.wire.ReadLine(maxReply)
	if err != nil {
		return c.failed(answerTo(word), err)
	}
	c.log.Debug("received", "line", showable(c.password.Mask(string(line))))
	err = parseStatus(word, line)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		if text := c.password.Mask(refusal.said); text != refusal.said {
			refusal.meant = wire.NewSecret(refusal.said)
			refusal.Text = showable(text)
		}
		refusal.said = ""
	}
	return err
}

// answerTo names an answer in errors.
func answerTo(word string) string {
	if word == "" {
		return "the greeting"
	}
	return "answer to " + word
}

// do sends one command and reads its status.
func (c *Conn) do(word, command string) error {
	if err := c.send(word, command, command); err != nil {
		return err
	}
	return c.status()
}

// failed says what broke a session, and on whose side.
func (c *Conn) failed(what string, err error) error {
	switch {
	case errors.Is(err, wire.ErrInterrupted) && c.ended() != nil:
		err = c.ended()
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the provider ended the connection: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%s: %w", what, err)
}
