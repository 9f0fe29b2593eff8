package misbehave

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// session is one connection; one goroutine serves it.
type session struct {
	p         *Provider
	number    int
	exchanges []*exchange // of the scripts that are for it

	raw  net.Conn
	conn net.Conn // raw, or TLS on it
	in   *bufio.Reader
	slow time.Duration // between two octets

	box     []listed // what was there at the login; index: number - 1
	deleted map[int]bool
}

// listed is a mail as one session has it, whatever becomes of it meanwhile.
type listed struct {
	*mail
	held *held
}

// errEnd ends a session behind QUIT, errCut anywhere.
var (
	errEnd = errors.New("end")
	errCut = errors.New("cut")
)

// serve plays the session and tells whether it came to its QUIT.
func (s *session) serve() (orderly bool) {
	s.deleted = map[int]bool{}
	s.setConn(s.raw)
	if s.p.c.nature.tls == "implicit" {
		if s.startTLS() != nil {
			return false
		}
	}
	for line := ""; ; {
		if err := s.answer(line); err != nil {
			return line == "QUIT" && errors.Is(err, errEnd)
		}
		if s.p.c.nature.deafens {
			s.in.Discard(s.in.Buffered())
		}
		var err error
		line, err = s.in.ReadString('\n')
		if err != nil {
			return false
		}
		line = strings.TrimRight(line, "\r\n")
	}
}

func (s *session) setConn(conn net.Conn) { s.conn, s.in = conn, bufio.NewReader(conn) }

func (s *session) startTLS() error {
	conn := tls.Server(s.raw, s.p.tls)
	s.setConn(conn)
	return conn.Handshake()
}

// answer answers a line by script, or as usual.
func (s *session) answer(line string) error {
	for _, x := range s.exchanges {
		if x.matches(line) {
			s.p.mu.Lock()
			s.p.came[x]++
			s.p.mu.Unlock()
			return s.play(line, x)
		}
	}
	reply, err := s.usual(line)
	if sent := s.send(reply); sent != nil {
		return sent
	}
	if err == nil && line == "STLS" {
		return s.startTLS()
	}
	return err
}

// play does the steps of an exchange.
func (s *session) play(line string, x *exchange) error {
	for _, step := range x.steps {
		if err := s.step(line, step); err != nil {
			return err
		}
	}
	if line == "QUIT" {
		return errEnd
	}
	return nil
}

func (s *session) step(line string, step step) error {
	switch step.word {
	case "S:":
		return s.send([]byte(s.sizes(step.text) + "\r\n"))
	case `S"`:
		return s.send([]byte(step.text))
	case "S<":
		octets, err := s.named(step.text)
		if err != nil {
			return err
		}
		return s.sendPart(onWire(octets, !s.p.c.nature.noStuff), step)
	case "AS USUAL":
		reply, err := s.usual(line)
		if sent := s.sendPart(reply, step); sent != nil {
			return sent
		}
		if err == nil && line == "STLS" {
			return s.startTLS()
		}
		return err
	case "DELETE":
		s.update()
	case "SLOWLY":
		s.slow = step.wait
	case "LATE":
		time.Sleep(step.wait)
	case "NO TLS":
		_, err := s.raw.Write(bytes.Repeat([]byte("no TLS "), 100))
		return err
	case "SILENT":
		io.Copy(io.Discard, s.conn)
		return errCut
	case "CUT":
		return errCut
	}
	return nil
}

// sizes puts mails' sizes in where a script has {size NAME}.
func (s *session) sizes(text string) string {
	for _, m := range s.p.c.mails {
		text = strings.ReplaceAll(text, "{size "+m.name+"}", strconv.Itoa(len(m.octets)))
	}
	return text
}

// named gives a mail by its name, or by its number.
func (s *session) named(name string) ([]byte, error) {
	digits, byNumber := strings.CutPrefix(name, "number ")
	if !byNumber {
		return s.p.c.mail(name).octets, nil
	}
	if n, err := strconv.Atoi(digits); err == nil && n >= 1 && n <= len(s.box) {
		return s.box[n-1].octets, nil
	}
	return nil, s.cannot("there is no %s", name)
}

func (s *session) cannot(format string, args ...any) error {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.fault("session %d: %s", s.number, fmt.Sprintf(format, args...))
	return errCut
}

func (s *session) sendPart(reply []byte, step step) error {
	sent, ok := step.part.of(reply)
	if step.part != (part{}) && !ok {
		return s.cannot("no such part in %.200q", reply)
	}
	return s.send(sent)
}

// send sends octets, each by itself where the session is slow.
func (s *session) send(b []byte) error {
	if s.slow == 0 {
		_, err := s.conn.Write(b)
		return err
	}
	for i := range b {
		if _, err := s.conn.Write(b[i : i+1]); err != nil {
			return err
		}
		time.Sleep(s.slow)
	}
	return nil
}
