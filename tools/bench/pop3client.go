package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// sessionTimeout is the longest that a measured session lasts.
const sessionTimeout = 5 * time.Minute

// pop3Client is a POP3 session that costs as little as one can: what is measured is the server. The same client
// asks both.
type pop3Client struct {
	net.Conn
	buffer []byte
}

// anyServer is for loopback, to servers that this program started: who it is doesn't matter to the time. No session is
// resumed: every handshake is a full one.
var anyServer = &tls.Config{InsecureSkipVerify: true}

// dialPOP3 opens a session and logs in. plain: without TLS, else implicit TLS.
func dialPOP3(address, user, password string, plain bool) (c *pop3Client, err error) {
	return dialWith(make([]byte, 256<<10), address, user, password, plain)
}

// dialWith is dialPOP3 with a buffer, for what comes, that was used before.
func dialWith(buffer []byte, address, user, password string, plain bool) (c *pop3Client, err error) {
	nc, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return nil, err
	}
	if !plain {
		nc = tls.Client(nc, anyServer)
	}
	c = &pop3Client{Conn: nc, buffer: buffer}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := c.SetDeadline(time.Now().Add(sessionTimeout)); err != nil {
		return nil, err
	}
	for _, command := range []string{"", "USER " + user + "\r\n", "PASS " + password + "\r\n"} {
		if _, err := c.command(command); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// command sends a command (none: the greeting is awaited) and gives the one line that answers it.
func (c *pop3Client) command(command string) (string, error) {
	if command != "" {
		if _, err := io.WriteString(c, command); err != nil {
			return "", err
		}
	}
	for n := 0; n < len(c.buffer); {
		more, err := c.Read(c.buffer[n:])
		n += more
		if line, ok := bytes.CutSuffix(c.buffer[:n], []byte("\r\n")); ok {
			return string(line), okLine(line)
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("an answer to %q without an end", command)
}

func okLine(line []byte) error {
	if !bytes.HasPrefix(line, []byte("+OK")) {
		return fmt.Errorf("the server answered %q", line)
	}
	return nil
}

// end is how a multi-line reply ends (RFC 1939 §3). No mail here has it inside, nor a line that begins with a dot
// alone, so the last octets that came tell.
var end = []byte("\r\n.\r\n")

// retrieve retrieves a message and gives how many octets came, the first line and the end with them. Where the
// message is wanted it is written to w.
func (c *pop3Client) retrieve(number int, w io.Writer) (octets int, err error) {
	if _, err := fmt.Fprintf(c, "RETR %d\r\n", number); err != nil {
		return 0, err
	}
	var tail [5]byte
	for {
		n, err := c.Read(c.buffer)
		if octets == 0 && n > 0 {
			if c.buffer[0] != '+' {
				return 0, fmt.Errorf("the server answered %q", c.buffer[:n])
			}
		}
		octets += n
		if w != nil {
			if _, err := w.Write(c.buffer[:n]); err != nil {
				return octets, err
			}
		}
		if n >= len(tail) {
			copy(tail[:], c.buffer[n-len(tail):n])
		} else {
			copy(tail[:], tail[n:])
			copy(tail[len(tail)-n:], c.buffer[:n])
		}
		if bytes.Equal(tail[:], end) {
			return octets, nil
		}
		if err != nil {
			return octets, err
		}
	}
}

// body retrieves a message and gives it as RFC 1939 has it un-stuffed.
func (c *pop3Client) body(number int) (string, error) {
	var b strings.Builder
	if _, err := c.retrieve(number, &b); err != nil {
		return "", err
	}
	_, text, _ := strings.Cut(b.String(), "\r\n")
	return strings.ReplaceAll(strings.TrimSuffix(text, ".\r\n"), "\r\n..", "\r\n."), nil
}

// pipeline retrieves the messages that next gives, so many of them asked for before their answers came (RFC 2449 §6.6).
// It gives how many octets came and how many messages.
func (c *pop3Client) pipeline(window int, next func() (number int, ok bool)) (octets, messages int, err error) {
	var commands []byte
	asked, kept := 0, 0 // kept octets of what came before: an end may be cut in two
	for {
		for asked < window {
			number, ok := next()
			if !ok {
				break
			}
			commands = fmt.Appendf(commands, "RETR %d\r\n", number)
			asked++
		}
		if asked == 0 {
			return octets, messages, nil
		}
		if len(commands) > 0 {
			if _, err := c.Write(commands); err != nil {
				return octets, messages, err
			}
			commands = commands[:0]
		}
		n, err := c.Read(c.buffer[kept:])
		if err != nil {
			return octets, messages, err
		}
		octets += n
		came := c.buffer[:kept+n]
		ends := bytes.Count(came, end)
		asked -= ends
		messages += ends
		kept = copy(c.buffer, came[max(0, len(came)-(len(end)-1)):])
	}
}

// leave ends the session by QUIT, and returns when the server has closed it.
func (c *pop3Client) leave() error {
	if _, err := c.command("QUIT\r\n"); err != nil {
		return err
	}
	if n, err := c.Read(c.buffer); err != io.EOF {
		return fmt.Errorf("behind QUIT: %d octets, %w", n, err)
	}
	return c.Close()
}
