package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// A self-signed certificate is good from before any box was made, so that a box whose clock is not set yet
// can serve, until long after.
var (
	notBefore = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC)
)

func certificateKey(name string) []byte { return []byte("certificate of " + name) }

// certificate gives the server's certificate and key, PEM: the settings' own, else one that is made once for
// the box's name and kept, its key sealed.
func (s *Store) certificate(ctx context.Context) (certificate, key []byte, err error) {
	in := s.settings.Load()
	if in.TLS.Certificate != "" {
		return []byte(in.TLS.Certificate), []byte(in.TLS.Key.Reveal()), nil
	}
	row := certificateKey(in.Appliance.Name)
	var kept rows.Certificate
	load := func(r *engine.Reader) error {
		_, err := r.Load(engine.Meta, row, &kept)
		return err
	}
	if err := s.db.View(load); err != nil {
		return nil, nil, err
	}
	if sealed, err := s.secrets.open(kept.SealedKey, row); err == nil {
		return kept.CertificatePem, []byte(sealed), nil
	}
	certificate, key, err = selfSigned(in.Appliance.Name, s.cfg.Hosted)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	err = s.db.Update(ctx, func(t *engine.Txn) error {
		if err := load(&t.Reader); err != nil {
			return err
		}
		if sealed, err := s.secrets.open(kept.SealedKey, row); err == nil { // made meanwhile
			certificate, key = kept.CertificatePem, []byte(sealed)
			return nil
		}
		t.Save(engine.Meta, row, &rows.Certificate{CertificatePem: certificate, SealedKey: s.secrets.seal(string(key), row)})
		t.After(func() {
			s.log.Info("certificate made", "name", in.Appliance.Name, "sha256", fingerprint(certificate))
		})
		return nil
	})
	return certificate, key, err
}

func selfSigned(name string, hosted bool) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name, name + ".local"},
		NotBefore:    notBefore, NotAfter: notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// A mail client that is told to trust it takes it as its own issuer.
		BasicConstraintsValid: true, IsCA: true,
	}
	if hosted {
		template.DNSNames = append(template.DNSNames, "localhost")
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// fingerprint is the SHA-256 of a certificate's DER, hexadecimal.
func fingerprint(certificate []byte) string {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

func (p pop3) GetCertificate(ctx context.Context, _ *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	certificate, key, err := p.certificate(ctx)
	return &contract.GetCertificateResponse{CertificatePem: certificate, KeyPem: key}, err
}

func (p smtp) GetCertificate(ctx context.Context, _ *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	certificate, key, err := p.certificate(ctx)
	return &contract.GetCertificateResponse{CertificatePem: certificate, KeyPem: key}, err
}

// console serves the console service.
type console struct{ *Store }

func (c console) GetCertificate(ctx context.Context, _ *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	certificate, key, err := c.certificate(ctx)
	return &contract.GetCertificateResponse{CertificatePem: certificate, KeyPem: key}, err
}

func (a admin) GetFingerprint(ctx context.Context, _ *contract.GetFingerprintRequest) (*contract.GetFingerprintResponse, error) {
	certificate, _, err := a.certificate(ctx)
	return &contract.GetFingerprintResponse{Sha256: fingerprint(certificate), CertificatePem: certificate}, err
}
