package pop3

import (
	"context"
	"errors"
	"time"

	"postroom/services/gate"
	"postroom/services/sasl"
	"postroom/services/wire"
)

var (
	// RFC 3206 §4: AUTH is also for an attempt that violates a policy.
	errNeedsTLS = &refusal{
		code: codeAuth,
		text: "log in over TLS: port 995, or STLS before the login; without TLS only from a trusted network, where the settings allow it",
	}
	errNoName    = protocolError("USER and the name of the login come before PASS")
	errEmptyName = protocolError(sasl.ErrEmptyName.Text)
)

// mayLogIn tells whether a password may be sent on this connection, by the settings of this moment.
func (s *session) mayLogIn() bool {
	_, tls := s.conn.TLS()
	return tls || s.server.settings.Load().MayLogInPlain(s.client)
}

// user is USER (RFC 1939 §7). Every name is taken: PASS tells nothing of which are known.
func (s *session) user(_ context.Context, argument []byte) error {
	if !s.mayLogIn() {
		return errNeedsTLS // RFC 2595 §2.1: before the client has sent its password
	}
	if len(argument) == 0 {
		return errEmptyName
	}
	s.name = string(argument)
	return s.ok("now PASS")
}

// pass is PASS (RFC 1939 §7): all behind its first space is the password, spaces too.
func (s *session) pass(ctx context.Context, argument []byte) error {
	l := gate.Login{Name: s.name, Password: wire.NewSecret(string(argument)), Came: time.Now()}
	s.name = "" // RFC 1939 §7: PASS is possible only behind a USER of its own
	if !s.mayLogIn() {
		return errNeedsTLS
	}
	if l.Name == "" {
		return errNoName
	}
	return s.authenticate(ctx, l)
}

// authenticate is what PASS and AUTH come to: it opens the mailbox of a login.
func (s *session) authenticate(ctx context.Context, l gate.Login) error {
	_, tls := s.conn.TLS()
	log := s.log.With("account", l.Name, "address", s.client, "tls", tls)
	l.Client = s.client
	err := s.logIn(ctx, l)
	var r *refusal
	switch {
	case errors.As(err, &r):
		log.Info("login refused", "err", r.cause, "took", time.Since(l.Came))
		s.failed++
		s.over = s.failed >= maxFailedLogins
		return &refusal{code: r.code, text: r.text}
	case err != nil:
		return err
	}
	log.Info("login accepted", "messages", len(s.mailbox.messages), "took", time.Since(l.Came))
	s.log = s.log.With("account", l.Name)
	return s.ok("logged in")
}
