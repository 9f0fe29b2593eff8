package pop3

import (
	"context"
	"net"

	"postroom/services/gate"
)

// accept starts a session for each connection, until stopping ends.
func (s *server) accept(ctx, stopping context.Context, l net.Listener, implicitTLS bool) {
	gate.Accept(stopping, l, s.log, func(nc net.Conn) { s.admit(ctx, stopping, nc, implicitTLS) })
}

// admit starts a session, while there is room for one.
func (s *server) admit(ctx, stopping context.Context, nc net.Conn, implicitTLS bool) {
	session := newSession(s, nc)
	in := s.settings.Load().POP3
	if full := s.places.Take(session.from, in.MaxConnections, in.MaxConnectionsPerAddress); full != nil {
		session.turnAway(full, implicitTLS)
		return
	}
	s.work.Go(func() {
		defer s.places.Leave(session.from)
		session.serve(ctx, stopping, implicitTLS)
	})
}

// turnAway refuses a connection. Without TLS it says why: the socket is new and takes one line at once.
func (s *session) turnAway(why error, implicitTLS bool) {
	s.log.Warn("connection turned away", "address", s.client, "err", why)
	defer s.conn.Close()
	if implicitTLS {
		return // a handshake would be work
	}
	if s.refuse(&refusal{code: codeTemp, text: why.Error()}) == nil {
		s.conn.Flush()
	}
}
