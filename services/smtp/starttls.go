package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"postroom/services/wire"
)

var (
	errUnderTLS = protocolError(503, "5.5.1", "this connection is under TLS already")
	errBehindIt = &refusal{code: 501, enhanced: "5.5.1", text: "nothing may follow STARTTLS before its reply", cause: wire.ErrBufferedPlaintext, end: true}
)

// startTLS is STARTTLS (RFC 3207 §4).
func (s *session) startTLS(ctx context.Context, _ []byte) error {
	if _, tls := s.conn.TLS(); tls {
		return errUnderTLS
	}
	if s.conn.Buffered() > 0 {
		// What waits here came before TLS and must not be read behind it: somebody on the way may have put
		// it there. A client that means STARTTLS waits for its reply.
		return errBehindIt
	}
	if err := s.say(220, "2.0.0", "begin TLS"); err != nil {
		return err
	}
	if err := s.handshake(); err != nil {
		return err
	}
	s.forgetMail(ctx)
	s.hello, s.extended = "", false // RFC 3207 §4.2: what was known before is forgotten
	return nil
}

// handshake is TLS's, which a client has to finish in maxHandshake.
func (s *session) handshake() error {
	late := time.AfterFunc(maxHandshake, s.conn.Interrupt)
	err := s.conn.StartTLSServer(s.server.tls)
	if !late.Stop() {
		err = errors.Join(err, wire.ErrInterrupted)
	}
	return err
}

// tlsName says which TLS the connection has, for the log and Received; empty: none.
func (s *session) tlsName() string {
	state, ok := s.conn.TLS()
	if !ok {
		return ""
	}
	return strings.Replace(tls.VersionName(state.Version), " ", "v", 1) + " " + tls.CipherSuiteName(state.CipherSuite)
}
