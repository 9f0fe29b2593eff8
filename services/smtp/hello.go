package smtp

import (
	"bytes"
	"context"
	"strconv"

	"postroom/services/sasl"
)

var errNoName = protocolError(501, "5.5.4", "the client's name is missing, such as EHLO pc.example.org")

// ehlo is EHLO (RFC 5321 §4.1.1.1). It says what is true of this connection now.
func (s *session) ehlo(ctx context.Context, argument []byte) error {
	if err := s.greet(ctx, argument, true); err != nil {
		return err
	}
	list := append([]string{s.server.settings.Load().Appliance.Name}, s.extensions()...)
	for i, line := range list {
		mark := "250-"
		if i == len(list)-1 {
			mark = "250 "
		}
		if err := s.conn.WriteLine(mark + line); err != nil {
			return err
		}
	}
	return nil
}

// helo is HELO (RFC 5321 §4.1.1.1).
func (s *session) helo(ctx context.Context, argument []byte) error {
	if err := s.greet(ctx, argument, false); err != nil {
		return err
	}
	return s.say(250, "", s.server.settings.Load().Appliance.Name)
}

// greet takes any name: it proves nothing, and clients have odd ones.
func (s *session) greet(ctx context.Context, argument []byte, extended bool) error {
	name := bytes.TrimSpace(argument)
	if len(name) == 0 {
		return errNoName
	}
	s.forgetMail(ctx) // RFC 5321 §4.1.4
	s.hello, s.extended = string(name), extended
	s.idled++
	return nil
}

func (s *session) extensions() []string {
	list := []string{
		"PIPELINING", // RFC 2920
		"SIZE " + strconv.FormatInt(int64(s.server.settings.Load().SMTP.MaxSize), 10), // RFC 1870
		"8BITMIME",            // RFC 6152
		"SMTPUTF8",            // RFC 6531
		"ENHANCEDSTATUSCODES", // RFC 2034
		"DSN",                 // RFC 3461
		"CHUNKING",            // RFC 3030
		"HELP",
	}
	if _, tls := s.conn.TLS(); tls {
		return append(list, "AUTH "+sasl.Mechanisms) // RFC 4954 §3
	}
	return append(list, "STARTTLS") // RFC 3207 §4
}
