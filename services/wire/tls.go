package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

var errUnderTLS = errors.New("the connection is under TLS already")

// StartTLSServer goes on under TLS as the server: behind the +OK to STLS, which it flushes,
// or as the first thing where TLS is implicit (RFC 8314 §3). After any error the
// connection is closed.
func (c *Conn) StartTLSServer(config *tls.Config) error {
	return c.startTLS(func(nc net.Conn) *tls.Conn { return tls.Server(nc, config) })
}

// StartTLSClient is StartTLSServer for the other side: behind the provider's +OK to STLS
// (after which CAPA is to be asked again, RFC 2595 §4), or as the first thing.
func (c *Conn) StartTLSClient(config *tls.Config) error {
	return c.startTLS(func(nc net.Conn) *tls.Conn { return tls.Client(nc, config) })
}

func (c *Conn) startTLS(wrap func(net.Conn) *tls.Conn) error {
	err := c.handshake(wrap)
	if err != nil {
		c.r, c.w = 0, 0 // what came in the clear isn't to be read any more
		c.readErr, c.writeErr = err, err
		c.Close()
	}
	return err
}

func (c *Conn) handshake(wrap func(net.Conn) *tls.Conn) error {
	if _, ok := c.nc.(*tls.Conn); ok {
		return errUnderTLS
	}
	if c.Buffered() > 0 {
		return ErrBufferedPlaintext
	}
	if err := c.Flush(); err != nil {
		return err
	}
	if c.readErr != nil {
		return c.readErr
	}
	if err := c.arm(c.deadline()); err != nil {
		return err
	}
	t := wrap(c.nc)
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", c.cause(err))
	}
	c.mu.Lock()
	c.nc = t
	c.mu.Unlock()
	return nil
}
