package hosted

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"postroom/services/wire"
)

// PollAt does what Box.Poll does, at any box: at an address with implicit TLS, by the name localhost. ca is PEM.
func PollAt(addr netip.AddrPort, ca []byte, name, password string) ([]Mail, error) {
	nc, err := net.DialTimeout("tcp", addr.String(), time.Minute)
	if err != nil {
		return nil, err
	}
	s := &Session{c: wire.NewConn(nc, wire.Timeouts{Command: time.Minute, Transfer: 2 * time.Minute})}
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if err := s.c.StartTLSClient(&tls.Config{RootCAs: roots, ServerName: "localhost"}); err != nil {
		return nil, err
	}
	s.reply() // the greeting
	s.LogIn(name, password)
	mails := s.Retrieve()
	s.Command("QUIT")
	return mails, s.Err()
}
