// Package mailbox is a provider for tests that keeps its mailbox from session to session, with faults on
// demand: its connections can break after any octet, and its QUIT can be lost either way.
package mailbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"postroom/services/fetcher/internal/script"
)

// Mail is one mail of a mailbox.
type Mail struct {
	UIDL string
	Body []byte
}

// Server is a provider with one mailbox, for user "u" with password "p".
type Server struct {
	// Set once.
	Pipelining, NoTop, NoUIDL bool

	// Capa are more lines of the answer to CAPA.
	Capa []string
	// PassReply is what PASS is answered with instead of being checked, where it isn't "".
	PassReply string
	// CutAfter gives how many octets the next connection lasts; below 0: it lasts. It may be nil.
	CutAfter func() int
	// KeepAtQuit tells whether this QUIT deletes nothing and breaks the connection. It may be nil.
	KeepAtQuit func() bool
	// Give may give other bytes for a RETR than those of the mail. It may be nil.
	Give func(m *Mail, all []*Mail) []byte
	// Dele is told of each DELE, before it's answered. It may be nil.
	Dele func(m *Mail)

	mu       sync.Mutex
	mails    []*Mail
	sessions int // that logged in
	open     int
	most     int // sessions at once
	log      []string
}

// Add puts mails into the mailbox.
func (s *Server) Add(mails ...*Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, mails...)
}

// Clear empties the mailbox.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = nil
}

// Len gives how many mails there are.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

// Sessions gives how many logins there were, and how many sessions were open at once.
func (s *Server) Sessions() (logins, atOnce int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions, s.most
}

// Commands gives the command words of all sessions, in order.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

// Listen serves on loopback until the test ends.
func (s *Server) Listen(t testing.TB) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.Serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

var errCut = errors.New("cut")

// cutWriter breaks off after left octets; below 0 it doesn't.
type cutWriter struct {
	w    io.Writer
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if c.left < 0 {
		return c.w.Write(p)
	}
	n, _ := c.w.Write(p[:min(len(p), c.left)])
	c.left -= n
	if n < len(p) {
		return n, errCut
	}
	return n, nil
}

// session is one connection.
type session struct {
	*Server
	out     *cutWriter
	mails   []*Mail
	deleted map[int]bool
	in      bool // logged in
}

// Serve holds one session.
func (s *Server) Serve(conn net.Conn) {
	defer conn.Close()
	x := &session{Server: s, out: &cutWriter{conn, -1}, deleted: map[int]bool{}}
	if s.CutAfter != nil {
		s.mu.Lock()
		x.out.left = s.CutAfter()
		s.mu.Unlock()
	}
	defer func() {
		if x.in {
			s.mu.Lock()
			s.open--
			s.mu.Unlock()
		}
	}()
	in := bufio.NewReader(conn)
	for ok := x.say("+OK ready"); ok; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		word, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		s.mu.Lock()
		s.log = append(s.log, word)
		s.mu.Unlock()
		ok = x.command(word, rest)
	}
}

func (x *session) say(lines ...string) bool {
	_, err := io.WriteString(x.out, strings.Join(lines, "\r\n")+"\r\n")
	return err == nil
}

func (x *session) body(b []byte) bool {
	_, err := x.out.Write(append([]byte("+OK\r\n"), script.Stuffed(b)...))
	return err == nil
}

func (x *session) command(word, rest string) bool {
	digits, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(digits)
	if strings.Contains("RETR TOP DELE", word) && (n < 1 || n > len(x.mails) || x.deleted[n]) {
		return x.say("-ERR no such mail")
	}
	switch word {
	case "CAPA":
		capa := append([]string{"+OK", "USER"}, x.Capa...)
		if x.Pipelining {
			capa = append(capa, "PIPELINING")
		}
		return x.say(append(capa, ".")...)
	case "USER", "NOOP":
		return x.say("+OK")
	case "PASS":
		return x.pass(rest)
	case "LIST":
		return x.list(func(i int, m *Mail) string { return fmt.Sprint(i, " ", len(m.Body)) })
	case "UIDL":
		if x.NoUIDL {
			return x.say("-ERR unknown")
		}
		return x.list(func(i int, m *Mail) string { return fmt.Sprint(i, " ", m.UIDL) })
	case "TOP":
		if x.NoTop {
			return x.say("-ERR unknown")
		}
		b := x.mails[n-1].Body
		return x.body(b[:bytes.Index(b, []byte("\r\n\r\n"))+4])
	case "RETR":
		b := x.mails[n-1].Body
		if x.Give != nil {
			b = x.Give(x.mails[n-1], x.mails)
		}
		return x.body(b)
	case "DELE":
		if x.Dele != nil {
			x.Dele(x.mails[n-1])
		}
		x.deleted[n] = true
		return x.say("+OK")
	case "QUIT":
		return x.quit()
	}
	return x.say("-ERR unknown")
}

func (x *session) pass(password string) bool {
	switch {
	case x.PassReply != "":
		return x.say(x.PassReply)
	case password != "p":
		return x.say("-ERR [AUTH] wrong password")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.in = true
	x.mails = append([]*Mail(nil), x.Server.mails...)
	x.sessions++
	x.open++
	x.most = max(x.most, x.open)
	return x.say("+OK")
}

func (x *session) list(line func(int, *Mail) string) bool {
	lines := []string{"+OK"}
	for i, m := range x.mails {
		lines = append(lines, line(i+1, m))
	}
	return x.say(append(lines, ".")...)
}

func (x *session) quit() bool {
	if x.in {
		if x.KeepAtQuit != nil && x.KeepAtQuit() {
			return false
		}
		gone := map[*Mail]bool{}
		for n := range x.deleted {
			gone[x.mails[n-1]] = true
		}
		x.mu.Lock()
		var left []*Mail
		for _, m := range x.Server.mails {
			if !gone[m] {
				left = append(left, m)
			}
		}
		x.Server.mails = left
		x.mu.Unlock()
	}
	x.say("+OK")
	return false
}
