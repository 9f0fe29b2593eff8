package main

import (
	"bytes"
	"fmt"
	"net"
	"time"
)

// smtpClient is an SMTP session that costs as little as one can, waiting for each reply as mail clients do. The same client
// asks both.
type smtpClient struct {
	net.Conn
	buffer []byte
}

func dialSMTP(address string) (c *smtpClient, err error) {
	nc, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return nil, err
	}
	c = &smtpClient{nc, make([]byte, 4<<10)}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := c.SetDeadline(time.Now().Add(sessionTimeout)); err != nil {
		return nil, err
	}
	if err := c.reply("220"); err != nil {
		return nil, err
	}
	return c, c.command("EHLO bench.example.org\r\n", "250")
}

func (c *smtpClient) command(line, code string) error {
	if _, err := c.Write([]byte(line)); err != nil {
		return err
	}
	return c.reply(code)
}

// reply awaits a reply, of several lines maybe.
func (c *smtpClient) reply(code string) error {
	for n := 0; n < len(c.buffer); {
		more, err := c.Read(c.buffer[n:])
		n += more
		if text, ok := bytes.CutSuffix(c.buffer[:n], []byte("\r\n")); ok {
			if last := text[bytes.LastIndexByte(text, '\n')+1:]; len(last) > 3 && last[3] == ' ' {
				if !bytes.HasPrefix(last, []byte(code)) {
					return fmt.Errorf("the server answered %q, want %s", text, code)
				}
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("a reply without an end: %.80q", c.buffer)
}

// send sends a mail, whose dots are stuffed and whose end is there, and gives how long the reply to that end took.
func (c *smtpClient) send(mail []byte) (took time.Duration, err error) {
	for _, step := range [][2]string{
		{"MAIL FROM:<anna@example.org>\r\n", "250"}, {"RCPT TO:<bench@example.com>\r\n", "250"}, {"DATA\r\n", "354"},
	} {
		if err := c.command(step[0], step[1]); err != nil {
			return 0, err
		}
	}
	if _, err := c.Write(mail); err != nil {
		return 0, err
	}
	began := time.Now()
	err = c.reply("250")
	return time.Since(began), err
}

func (c *smtpClient) quit() error {
	err := c.command("QUIT\r\n", "221")
	c.Close()
	return err
}

// stuffed makes a mail what DATA sends (RFC 5321 §4.5.2). It doesn't begin with a dot.
func stuffed(mail []byte) []byte {
	return append(bytes.ReplaceAll(mail, []byte("\r\n."), []byte("\r\n..")), ".\r\n"...)
}
