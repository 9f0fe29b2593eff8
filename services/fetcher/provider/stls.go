package provider

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// errNoSTLS means that a provider doesn't offer the TLS that is required.
var errNoSTLS = errors.New("no STLS is offered")

// startTLS goes on under TLS, or ends the session: never in the clear (RFC 2595 §4). CAPA is asked again, since
// what came before could be anybody's.
func (c *Conn) startTLS(config *tls.Config) error {
	if _, ok := c.capa["STLS"]; !ok && c.capa != nil {
		return errNoSTLS
	}
	err := c.do("STLS", "STLS")
	var refusal *Refusal
	if errors.As(err, &refusal) && !refusal.Temporary() {
		return fmt.Errorf("%w: %w", errNoSTLS, err)
	}
	if err != nil {
		return err
	}
	if err := c.wire.StartTLSClient(config); err != nil {
		return c.failed("STLS", err)
	}
	return c.askCapa()
}
