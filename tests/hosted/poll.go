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
	ca, err := os.ReadFile(b.CA())
	if err != nil {
		b.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	nc, err := net.DialTimeout("tcp", b.Addr("pop3.listen_tls").String(), time.Minute)
	if err != nil {
		return nil, err
	}
	s := &session{c: wire.NewConn(nc, wire.Timeouts{Command: time.Minute, Transfer: 2 * time.Minute})}
	defer s.c.Close()
	if err := s.c.StartTLSClient(&tls.Config{RootCAs: roots, ServerName: "localhost"}); err != nil {
		return nil, err
	}
	s.reply()
	s.command("USER %s", name)
	s.command("PASS %s", password)
	var mails []Mail
	s.command("UIDL")
	for _, line := range strings.Split(strings.TrimSuffix(string(s.body()), "\r\n"), "\r\n") {
		if _, uidl, ok := strings.Cut(line, " "); ok {
			mails = append(mails, Mail{UIDL: uidl})
		}
	}
	for i := range mails {
		s.command("RETR %d", i+1)
		mails[i].Octets = s.body()
	}
	s.command("QUIT")
	return mails, s.err
}

// ErrRefused is a -ERR.
var ErrRefused = errors.New("-ERR")

// session is a POP3 session; after its first error nothing is sent any more.
type session struct {
	c   *wire.Conn
	err error
}

func (s *session) command(format string, args ...any) {
	if s.err == nil {
		s.err = s.c.WriteLine(fmt.Sprintf(format, args...))
	}
	if s.err == nil {
		s.err = s.c.Flush()
	}
	s.reply()
}

func (s *session) reply() {
	if s.err != nil {
		return
	}
	line, err := s.c.ReadLine(wire.MaxReply)
	if err == nil && !strings.HasPrefix(string(line), "+OK") {
		err = fmt.Errorf("%w: %s", ErrRefused, line)
	}
	s.err = err
}

func (s *session) body() []byte {
	if s.err != nil {
		return nil
	}
	octets, err := io.ReadAll(s.c.DotReader(0))
	s.err = err
	return octets
}
