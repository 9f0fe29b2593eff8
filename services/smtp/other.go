package smtp

import "context"

// rset is RSET (RFC 5321 §4.1.1.5).
func (s *session) rset(ctx context.Context, _ []byte) error {
	s.idled++
	s.forgetMail(ctx)
	return s.say(250, "2.0.0", "forgotten")
}

// vrfy is VRFY (RFC 5321 §3.5.3). It tells nobody which addresses there are.
func (s *session) vrfy(context.Context, []byte) error {
	s.idled++
	return s.say(252, "2.5.0", "send the mail, and you will see")
}

// help is HELP (RFC 5321 §4.1.1.8).
func (s *session) help(context.Context, []byte) error {
	s.idled++
	return s.say(214, "2.0.0", "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT")
}

// noop is NOOP (RFC 5321 §4.1.1.9).
func (s *session) noop(context.Context, []byte) error {
	s.idled++
	return s.say(250, "2.0.0", "still here")
}

// quit is QUIT (RFC 5321 §4.1.1.10).
func (s *session) quit(context.Context, []byte) error {
	s.over = true
	return s.say(221, "2.0.0", "bye")
}
