package hosted

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"postroom/services/wire"
)

// PollAt does what Box.Poll does, at any box: see DialAt.
func PollAt(addr netip.AddrPort, ca []byte, name, password string) ([]Mail, error) {
	s, err := DialAt(addr, ca)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.LogIn(name, password)
	mails := s.Retrieve()
	s.Command("QUIT")
	return mails, s.Err()
}

// DialAt opens a session at an address with implicit TLS, by the name localhost. ca is PEM.
func DialAt(addr netip.AddrPort, ca []byte) (*Session, error) {
	nc, err := net.DialTimeout("tcp", addr.String(), time.Minute)
	if err != nil {
		return nil, err
	}
	s := &Session{c: wire.NewConn(nc, wire.Timeouts{Command: time.Minute, Transfer: 2 * time.Minute})}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if err := s.c.StartTLSClient(&tls.Config{RootCAs: roots, ServerName: "localhost"}); err != nil {
		s.Close()
		return nil, err
	}
	s.reply() // the greeting
	return s, nil
}
