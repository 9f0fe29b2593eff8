package hosted

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"postroom/services/wire"
)

// Mail is a mail as a poll got it.
type Mail struct {
	UIDL   string
	Octets []byte
}

// Poll logs in, retrieves everything and quits. An error is of a session that broke: what it got may come again.
// Only with a nil error did QUIT get its +OK.
func (b *Box) Poll(name, password string) ([]Mail, error) {
	b.t.Helper()
	s, err := b.Dial("pop3.listen_tls")
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.LogIn(name, password)
	mails := s.Retrieve()
	s.Command("QUIT")
	return mails, s.Err()
}

// Dial opens a session where the box listens for a setting; with pop3.listen it is in the clear.
func (b *Box) Dial(setting string) (*Session, error) {
	b.t.Helper()
	nc, err := net.DialTimeout("tcp", b.Addr(setting).String(), time.Minute)
	if err != nil {
		return nil, err
	}
	s := &Session{c: wire.NewConn(nc, wire.Timeouts{Command: time.Minute, Transfer: 2 * time.Minute})}
	if setting == "pop3.listen_tls" {
		ca, err := os.ReadFile(b.CA())
		if err != nil {
			b.t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		if err := s.c.StartTLSClient(&tls.Config{RootCAs: roots, ServerName: "localhost"}); err != nil {
			return nil, err
		}
	}
	s.reply() // the greeting
	return s, nil
}

// ErrRefused is a -ERR.
var ErrRefused = errors.New("-ERR")

// Session is a client's POP3 session; after its first error nothing is sent any more.
type Session struct {
	c   *wire.Conn
	err error
}

// Err is the first error; a -ERR is an ErrRefused.
func (s *Session) Err() error { return s.err }

// Close closes the connection, with QUIT or without.
func (s *Session) Close() { s.c.Close() }

// LogIn logs in.
func (s *Session) LogIn(name, password string) {
	s.Command("USER %s", name)
	s.Command("PASS %s", password)
}

// Retrieve retrieves all that is there.
func (s *Session) Retrieve() (mails []Mail) {
	s.Command("UIDL")
	for _, line := range strings.Split(strings.TrimSuffix(string(s.body()), "\r\n"), "\r\n") {
		if _, uidl, ok := strings.Cut(line, " "); ok {
			mails = append(mails, Mail{UIDL: uidl})
		}
	}
	for i := range mails {
		s.Command("RETR %d", i+1)
		mails[i].Octets = s.body()
	}
	return mails
}

// Command sends a command and reads the first line of the reply.
func (s *Session) Command(format string, args ...any) {
	if s.err == nil {
		s.err = s.c.WriteLine(fmt.Sprintf(format, args...))
	}
	if s.err == nil {
		s.err = s.c.Flush()
	}
	s.reply()
}

func (s *Session) reply() {
	if s.err != nil {
		return
	}
	line, err := s.c.ReadLine(wire.MaxReply)
	if err == nil && !strings.HasPrefix(string(line), "+OK") {
		err = fmt.Errorf("%w: %s", ErrRefused, line)
	}
	s.err = err
}

func (s *Session) body() []byte {
	if s.err != nil {
		return nil
	}
	octets, err := io.ReadAll(s.c.DotReader(0))
	if s.err = err; err != nil {
		return nil // a body without its end is none
	}
	return octets
}
