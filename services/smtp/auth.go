package smtp

import (
	"context"
	"errors"
	"time"

	"postroom/services/gate"
	"postroom/services/sasl"
	"postroom/services/wire"
)

var (
	errNeedsTLS   = &refusal{code: 538, enhanced: "5.7.11", text: "log in over TLS: STARTTLS first, or the port that begins with it", idle: true}
	errLoggedIn   = protocolError(503, "5.5.1", "this connection has logged in already")
	errManyLogins = &refusal{code: 421, enhanced: "4.7.0", text: "too many logins failed"}
)

// auth is AUTH (RFC 4954 §4), which is there under TLS alone, wherever a client is.
func (s *session) auth(ctx context.Context, argument []byte) error {
	if _, tls := s.conn.TLS(); !tls {
		return errNeedsTLS
	}
	if s.account != nil {
		return errLoggedIn
	}
	name, password, err := sasl.Login(argument, s.challenge)
	var fault *sasl.Fault
	switch {
	case errors.As(err, &fault):
		return faultRefusal(fault)
	case err != nil:
		return err
	}
	return s.logIn(ctx, gate.Login{Name: name, Password: password, Came: time.Now(), Client: s.client})
}

// challenge sends one of AUTH, and gives the client's response.
func (s *session) challenge(challenge string) ([]byte, error) {
	if err := s.conn.WriteLine("334 " + challenge); err != nil {
		return nil, err
	}
	response, err := s.readLine(sasl.MaxResponse)
	if errors.Is(err, wire.ErrLineTooLong) {
		return nil, sasl.ErrTooLong
	}
	return response, err
}

// faultRefusal has the codes of RFC 4954 §4 and §6.
func faultRefusal(f *sasl.Fault) *refusal {
	switch {
	case f == sasl.ErrMechanism:
		return protocolError(504, "5.5.4", f.Text)
	case f == sasl.ErrTooLong:
		return protocolError(500, "5.5.6", f.Text)
	case f.Refused:
		return protocolError(535, "5.7.8", f.Text)
	}
	return protocolError(501, "5.5.2", f.Text)
}

// logIn has the store decide about a login.
func (s *session) logIn(ctx context.Context, l gate.Login) error {
	log := s.log.With("account", l.Name, "address", s.client, "tls", true)
	account, err := s.server.logins.Try(ctx, l, s.server.settings.Load())
	if err != nil {
		var r *gate.Refused
		if !errors.As(err, &r) {
			return err
		}
		log.Info("login refused", "err", r.Cause, "took", time.Since(l.Came))
		return s.loginRefused(r)
	}
	log.Info("login accepted", "took", time.Since(l.Came))
	s.account, s.name = account, l.Name
	s.log = s.log.With("account", l.Name)
	if s.stranger != nil && !s.stranger.Stop() {
		return wire.ErrInterrupted
	}
	return s.say(235, "2.7.0", "logged in")
}

// loginRefused is what a client is told whose login came to nothing; behind the last one it is let go.
func (s *session) loginRefused(r *gate.Refused) error {
	reply := &refusal{code: 535, enhanced: "5.7.8", text: r.Text}
	switch {
	case r.NoAnswer:
		reply = &refusal{code: 454, enhanced: "4.7.0", text: "the login can't be checked now, try again later"}
	case r.Temporary:
		reply = &refusal{code: 454, enhanced: "4.7.0", text: r.Text}
	}
	if s.failed++; s.failed < maxFailedLogins {
		return reply
	}
	if err := s.refuse(reply); err != nil {
		return err
	}
	s.over = true
	return s.refuse(errManyLogins)
}
