package pop3

import (
	"context"
	"errors"
	"time"

	"postroom/services/wire"
)

// stls is STLS (RFC 2595 §4): TLS on a connection that began without.
func (s *session) stls(context.Context, []byte) error {
	if _, tls := s.conn.TLS(); tls {
		return protocolError("this connection is under TLS already")
	}
	if s.inUTF8 {
		return protocolError("STLS comes before UTF8") // RFC 6856 §2.1
	}
	if s.conn.Buffered() > 0 {
		// What waits here came before TLS and must not be read behind it: somebody on the way may have put
		// it there. A client that means STLS waits for its reply.
		s.over = true
		return &refusal{text: "nothing may follow STLS before its reply", cause: wire.ErrBufferedPlaintext, protocol: true}
	}
	if err := s.ok("begin TLS"); err != nil {
		return err
	}
	if err := s.startTLS(); err != nil {
		return err
	}
	s.name = "" // RFC 2595 §4: what was known before is forgotten
	return nil
}

// startTLS is the handshake, which a client has to finish in maxHandshake.
func (s *session) startTLS() error {
	late := time.AfterFunc(maxHandshake, s.conn.Interrupt)
	err := s.conn.StartTLSServer(s.server.tls)
	if !late.Stop() {
		err = errors.Join(err, wire.ErrInterrupted)
	}
	return err
}
