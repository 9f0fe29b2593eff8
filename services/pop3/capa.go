package pop3

import "context"

// capa is CAPA (RFC 2449 §5). It says what is true of this connection now.
func (s *session) capa(context.Context, []byte) error {
	if err := s.ok("capabilities follow"); err != nil {
		return err
	}
	for _, capability := range s.capabilities() {
		if err := s.conn.WriteLine(capability); err != nil {
			return err
		}
	}
	return s.conn.WriteLine(".")
}

func (s *session) capabilities() []string {
	list := []string{
		"TOP",            // RFC 2449 §6.1
		"UIDL",           // RFC 2449 §6.8
		"RESP-CODES",     // RFC 2449 §6.4
		"AUTH-RESP-CODE", // RFC 3206 §6
		"PIPELINING",     // RFC 2449 §6.6
		"EXPIRE 0",       // RFC 2449 §6.7: what was retrieved leaves at QUIT
		"IMPLEMENTATION Postroom",
	}
	if s.state != authorization {
		return list
	}
	if s.mayLogIn() {
		list = append(list, "USER") // RFC 2449 §6.2
	}
	if _, tls := s.conn.TLS(); !tls {
		list = append(list, "STLS") // RFC 2595 §4: in AUTHORIZATION alone
	}
	return list
}
