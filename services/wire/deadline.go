package wire

import (
	"errors"
	"os"
	"time"
)

// past is a deadline that every read and write has missed.
var past = time.Unix(1, 0)

// Interrupt ends the read or write that is under way, and every later one, with
// ErrInterrupted. Any goroutine may call it, such as
//
//	defer context.AfterFunc(ctx, c.Interrupt)()
//
// No later deadline can undo it.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	c.nc.SetDeadline(past)
}

// deadline is when what begins now must be done.
func (c *Conn) deadline() time.Time {
	by := time.Now().Add(c.times.Command)
	if !c.end.IsZero() && c.end.Before(by) {
		return c.end
	}
	return by
}

// arm sets the deadline of both directions, unless the connection was interrupted.
func (c *Conn) arm(by time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		return ErrInterrupted
	}
	return c.nc.SetDeadline(by)
}

// cause tells an interruption from a deadline that passed.
func (c *Conn) cause(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		return ErrInterrupted
	}
	return err
}

// beginTransfer puts the reads and writes that follow under the deadline of one transfer.
func (c *Conn) beginTransfer() {
	c.end = time.Now().Add(c.times.Transfer)
}

func (c *Conn) endTransfer() {
	c.end = time.Time{}
}
