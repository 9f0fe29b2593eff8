// Package host is an SMTP server for tests that can be told to misbehave at any command.
package host

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/wire"
)

// Host takes mail. Its fields are set before it's used.
type Host struct {
	Extensions []string // of EHLO's reply
	TLS        *tls.Config
	Implicit   bool // TLS from the start

	// Reply may answer a line of the client's, or "GREETING", or "END" behind a mail. Empty: as usual. Cut closes the connection,
	// Silent never answers.
	Reply func(line string) string

	mu       sync.Mutex
	mails    []Mail
	lines    []string
	sessions int
	open     int
	most     int // sessions at one time
}

// Replies that are none.
const (
	Cut    = "cut"
	Silent = "silent"
)

// Mail is one that was taken.
type Mail struct {
	From       string // MAIL's argument
	To         []string
	Text       string
	Secure     bool
	Session    int
	ServerName string // that TLS was begun for
}

// Mails gives what was taken.
func (h *Host) Mails() []Mail {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Mail(nil), h.mails...)
}

// Lines gives what clients said.
func (h *Host) Lines() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.lines...)
}

// Sessions gives how many there were, and how many at one time.
func (h *Host) Sessions() (all, most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions, h.most
}

// Listen serves on loopback until the test ends.
func (h *Host) Listen(t testing.TB) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	done := make(chan struct{})
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer nc.Close()
				go func() { <-done; nc.Close() }()
				h.Serve(nc)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(done)
		serving.Wait()
	})
	return l.Addr()
}

// Serve holds one conversation.
func (h *Host) Serve(nc net.Conn) {
	h.mu.Lock()
	h.sessions++
	h.open++
	h.most = max(h.most, h.open)
	s := &session{Host: h, number: h.sessions, c: wire.NewConn(nc, wire.Timeouts{Command: 24 * time.Hour, Transfer: 24 * time.Hour})}
	h.mu.Unlock()
	defer func() {
		s.c.Close()
		h.mu.Lock()
		h.open--
		h.mu.Unlock()
	}()
	if h.Implicit && s.c.StartTLSServer(h.TLS) != nil {
		return
	}
	if !s.say("GREETING", "220 host.example ESMTP") {
		return
	}
	for {
		line, err := s.c.ReadLine(4096)
		if err != nil {
			return
		}
		text := string(line)
		h.mu.Lock()
		h.lines = append(h.lines, text)
		h.mu.Unlock()
		if !s.answer(text) {
			return
		}
	}
}

type session struct {
	*Host
	number int
	c      *wire.Conn
	mail   Mail
	auth   int // lines of AUTH LOGIN that are awaited
}

// say answers, and tells whether the conversation goes on.
func (s *session) say(line, usual string) bool {
	return s.send(s.reply(line), usual)
}

func (s *session) reply(line string) string {
	if s.Reply == nil {
		return ""
	}
	return s.Reply(line)
}

func (s *session) send(reply, usual string) bool {
	switch reply {
	case "":
		reply = usual
	case Cut:
		return false
	case Silent:
		s.c.ReadLine(1 << 20)
		return false
	}
	for part := range strings.SplitSeq(reply, "\n") {
		s.c.WriteLine(part)
	}
	return s.c.Flush() == nil && (!strings.HasPrefix(reply, "421") && !strings.HasPrefix(reply, "554 go away"))
}

func (s *session) answer(line string) bool {
	if s.auth > 0 {
		s.auth--
		return s.say(line, "235 2.7.0 ok")
	}
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		extensions := append([]string{"host.example"}, s.Extensions...)
		if _, secure := s.c.TLS(); s.TLS != nil && !secure {
			extensions = append(extensions, "STARTTLS")
		}
		for i := range extensions {
			sep := "-"
			if i == len(extensions)-1 {
				sep = " "
			}
			extensions[i] = "250" + sep + extensions[i]
		}
		return s.say(line, strings.Join(extensions, "\n"))
	case "STARTTLS":
		return s.say(line, "220 2.0.0 go on") && s.c.StartTLSServer(s.TLS) == nil
	case "AUTH":
		if strings.HasPrefix(rest, "LOGIN") {
			s.auth = 1 // go-sasl gives the name at once
			return s.say(line, "334 UGFzc3dvcmQ6")
		}
		return s.say(line, "235 2.7.0 ok")
	case "MAIL":
		s.mail = Mail{From: rest, Session: s.number}
		if state, ok := s.c.TLS(); ok {
			s.mail.Secure, s.mail.ServerName = true, state.ServerName
		}
		return s.say(line, "250 2.1.0 ok")
	case "RCPT":
		reply := s.reply(line)
		if !strings.HasPrefix(reply, "4") && !strings.HasPrefix(reply, "5") {
			s.mail.To = append(s.mail.To, rest)
		}
		return s.send(reply, "250 2.1.5 ok")
	case "DATA":
		if reply := s.reply(line); !s.send(reply, "354 go on") {
			return false
		} else if reply != "" {
			return true
		}
		var text bytes.Buffer
		if _, err := s.c.DotReader(0).WriteTo(&text); err != nil {
			return false
		}
		s.mail.Text = text.String()
		reply := s.reply("END")
		if reply == "" || strings.HasPrefix(reply, "2") || reply == Cut || reply == Silent {
			s.mu.Lock()
			s.mails = append(s.mails, s.mail)
			s.mu.Unlock()
		}
		return s.send(reply, "250 2.0.0 taken")
	case "QUIT":
		s.say(line, "221 2.0.0 bye")
		return false
	case "RSET", "NOOP":
		return s.say(line, "250 2.0.0 ok")
	}
	return s.say(line, "500 5.5.2 what?")
}
