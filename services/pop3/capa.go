package pop3

import "context"

// capa is CAPA (RFC 2449 §5). It says what is true of this connection now.
func (s *session) capa(context.Context, []byte) error {
	return s.lines("capabilities follow", s.capabilities())
}

// capabilities are the same in both states, but for the argument of EXPIRE: what can be used in AUTHORIZATION is to be
// announced in TRANSACTION too (RFC 2449 §5; of SASL, RFC 5034 §3), so that one CAPA is enough.
func (s *session) capabilities() []string {
	list := []string{
		"TOP",            // RFC 2449 §6.1
		"UIDL",           // RFC 2449 §6.8
		"RESP-CODES",     // RFC 2449 §6.4
		"AUTH-RESP-CODE", // RFC 3206 §6
		"PIPELINING",     // RFC 2449 §6.6
		"EXPIRE 0",       // RFC 2449 §6.7: what was retrieved leaves at QUIT
		"UTF8",           // RFC 6856 §2; without USER: octets of a password go to the provider as they are
		"LANG",           // RFC 6856 §3
		"IMPLEMENTATION Postroom",
	}
	if s.mayLogIn() {
		list = append(list, "USER", "SASL PLAIN LOGIN") // RFC 2449 §6.2, RFC 5034 §3
	}
	if _, tls := s.conn.TLS(); !tls {
		list = append(list, "STLS") // RFC 2595 §4
	}
	return list
}
