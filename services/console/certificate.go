package console

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"postroom/services/contract"
)

// Pauses before the store is asked for the certificate again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

// newTLS gives the configuration of all connections. Each shows the certificate of the moment it began.
//
// A client proves in the handshake that it holds the key of the certificate that it shows; whether that key is
// a known one is asked at each call (server.go), where the answer can be put into words.
func (s *server) newTLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		ClientAuth:     tls.RequireAnyClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
		// Each connection proves its key anew.
		SessionTicketsDisabled: true,
	}
}

// loadCertificate takes over the certificate that the box shows now, the settings' or its own; it asks until
// it has it, or ctx ends. Meanwhile the one before is shown.
func (s *server) loadCertificate(ctx context.Context, store *contract.Client[contract.ConsoleService]) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		pair, err := findCertificate(ctx, store)
		if err == nil {
			s.certificate.Store(&pair)
			return
		}
		if ctx.Err() != nil {
			return
		}
		s.log.Error("certificate not loaded", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func findCertificate(ctx context.Context, store *contract.Client[contract.ConsoleService]) (tls.Certificate, error) {
	answer, err := contract.Call(ctx, store, contract.ConsoleService.GetCertificate, &contract.GetCertificateRequest{})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("ask the store for the certificate: %w", err)
	}
	return tls.X509KeyPair(answer.CertificatePem, answer.KeyPem)
}
