package pop3

import (
	"context"
	"net"
	"time"
)

// Pauses after an error of accept, such as a lack of file descriptors.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept starts a session for each connection, until stopping ends.
func (s *server) accept(ctx, stopping context.Context, l net.Listener, implicitTLS bool) {
	defer context.AfterFunc(stopping, func() { l.Close() })()
	pause := firstPause
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = firstPause
			s.admit(ctx, stopping, nc, implicitTLS)
			continue
		case stopping.Err() != nil:
			return
		}
		s.log.Warn("accept", "err", err)
		select {
		case <-stopping.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		}
	}
}

// admit starts a session, while there is room for one.
func (s *server) admit(ctx, stopping context.Context, nc net.Conn, implicitTLS bool) {
	session := newSession(s, nc)
	if full := s.places.take(session.from, s.settings.Load().POP3); full != nil {
		session.turnAway(full, implicitTLS)
		return
	}
	s.work.Go(func() {
		defer s.places.leave(session.from)
		session.serve(ctx, stopping, implicitTLS)
	})
}

// turnAway refuses a connection. Without TLS it says why: the socket is new and takes one line at once.
func (s *session) turnAway(why *refusal, implicitTLS bool) {
	s.log.Warn("connection turned away", "address", s.client, "err", why)
	defer s.conn.Close()
	if implicitTLS {
		return // a handshake would be work
	}
	if s.refuse(why) == nil {
		s.conn.Flush()
	}
}
