package pop3

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
)

// certificateWait bounds the store's answer about its certificate.
const certificateWait = 30 * time.Second

// newTLS gives the configuration of all connections. Each shows the certificate of the moment it began.
func (s *server) newTLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12, // RFC 8997
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
		// Small records at the start let a browser show a page early; a mail is wanted whole.
		DynamicRecordSizingDisabled: true,
	}
}

// loadCertificate takes the certificate that the settings name, or else the one that the store made.
func (s *server) loadCertificate(ctx context.Context, in *settings.Settings) error {
	pair, err := s.findCertificate(ctx, in.TLS)
	if err != nil {
		return fmt.Errorf("load the certificate: %w", err)
	}
	s.certificate.Store(&pair)
	return nil
}

func (s *server) findCertificate(ctx context.Context, in settings.TLS) (tls.Certificate, error) {
	if !in.SelfSigned() {
		return in.Pair()
	}
	ctx, cancel := context.WithTimeout(ctx, certificateWait)
	defer cancel()
	made, err := s.store.GetCertificate(ctx, &contract.GetCertificateRequest{})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("ask the store: %w", err)
	}
	return tls.X509KeyPair(made.CertificatePem, made.KeyPem)
}
