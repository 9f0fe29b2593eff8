// Package certificate has what a mail server shows its clients under TLS: the certificate of the settings, or the
// store's own.
package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
)

// storeWait bounds the store's answer about its certificate.
const storeWait = 30 * time.Second

// Current is the certificate of the moment; Load takes a new one.
type Current struct {
	ask  func(context.Context, *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error)
	pair atomic.Pointer[tls.Certificate]
}

// New gives one that has none yet, and asks the store by ask.
func New(ask func(context.Context, *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error)) *Current {
	return &Current{ask: ask}
}

// TLS gives the configuration of all connections. Each shows the certificate of the moment it began.
func (c *Current) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12, // RFC 8997
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil },
		// Small records at the start let a browser show a page early; a mail is wanted whole.
		DynamicRecordSizingDisabled: true,
	}
}

// Load takes the certificate that the settings name, or else the one that the store made. Until there is any, it tries
// again.
func (c *Current) Load(ctx context.Context, in settings.TLS, log *slog.Logger) {
	for {
		pair, err := c.find(ctx, in)
		if err == nil {
			c.pair.Store(&pair)
			return
		}
		log.Error("certificate not loaded", "err", err)
		if c.pair.Load() != nil {
			return // the one before is better than none
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (c *Current) find(ctx context.Context, in settings.TLS) (tls.Certificate, error) {
	if !in.SelfSigned() {
		return in.Pair()
	}
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	made, err := c.ask(ctx, &contract.GetCertificateRequest{})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("ask the store: %w", err)
	}
	return tls.X509KeyPair(made.CertificatePem, made.KeyPem)
}
