package provider

import (
	"strconv"

	"postroom/services/wire"
)

// SendRetr, SendTop and SendDele queue a command each. Their answers come in the same order and are read by
// Body or Status; no more than Window may be waiting.

// SendRetr asks for a whole mail; Body reads it.
func (c *Conn) SendRetr(number int) error { return c.sendNumber("RETR", number, "") }

// SendTop asks for a mail's header (RFC 1939 §7); Body reads it.
func (c *Conn) SendTop(number int) error { return c.sendNumber("TOP", number, " 0") }

// SendDele marks a mail to be deleted at QUIT; Status reads the answer.
func (c *Conn) SendDele(number int) error { return c.sendNumber("DELE", number, "") }

func (c *Conn) sendNumber(word string, number int, rest string) error {
	command := word + " " + strconv.Itoa(number) + rest
	return c.send(word, command, command)
}

// Status reads the oldest answer that waits, that of a DELE: nil for +OK.
func (c *Conn) Status() error { return c.status() }

// Body reads the oldest answer that waits, that of a RETR or TOP, and gives the mail: at most limit octets, then
// wire.ErrTooLarge. It's to be read to its end before anything else.
func (c *Conn) Body(limit int64) (*wire.DotReader, error) {
	if err := c.status(); err != nil {
		return nil, err
	}
	return c.wire.DotReader(limit), nil
}

// Broken gives the error of a body's reading the form of all others.
func (c *Conn) Broken(err error) error { return c.failed("mail", err) }
