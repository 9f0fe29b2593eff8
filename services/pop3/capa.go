package pop3

import (
	"context"
	"fmt"
	"time"

	"postroom/services/sasl"
)

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
		s.expire(),       // RFC 2449 §6.7
		"UTF8",           // RFC 6856 §2; without USER: octets of a password go to the provider as they are
		"LANG",           // RFC 6856 §3
		"IMPLEMENTATION Postroom",
	}
	if s.mayLogIn() {
		list = append(list, "USER", "SASL "+sasl.Mechanisms) // RFC 2449 §6.2, RFC 5034 §3
	}
	if _, tls := s.conn.TLS(); !tls {
		list = append(list, "STLS") // RFC 2595 §4
	}
	return list
}

// expire says how many whole days mail stays that was retrieved, at least: before the login the least that an
// account can have.
func (s *session) expire() string {
	if s.mailbox == nil {
		return "EXPIRE 0 USER"
	}
	after, ok := s.mailbox.policy.After()
	if !ok {
		return "EXPIRE NEVER"
	}
	return fmt.Sprintf("EXPIRE %d", after/(24*time.Hour))
}
