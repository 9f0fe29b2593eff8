package settings

import "crypto/tls"

// TLS is the certificate that the box shows to its clients: both, or neither.
type TLS struct {
	Certificate string // PEM, the server's own first
	Key         Secret // PEM
}

// SelfSigned says that the box makes a certificate of its own.
func (t TLS) SelfSigned() bool { return t.Certificate == "" }

// Pair is certificate and key in the form that crypto/tls wants; an error where SelfSigned.
func (t TLS) Pair() (tls.Certificate, error) {
	return tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key.Reveal()))
}

func (t *TLS) section() section {
	return section{name: "tls", doc: `
The certificate that mail clients and browsers see. Without one the box makes its own for appliance.name, once, keeps it and
shows its fingerprint; clients then ask their users whether to trust it.`,
		settings: []setting{
			{name: "certificate", value: text(&t.Certificate, certificates), example: `"""
-----BEGIN CERTIFICATE-----
…
-----END CERTIFICATE-----
"""`, doc: `
The certificate as PEM text, between three quotes, followed by the intermediate certificates that came with it (many
authorities call that file "fullchain"). It has to come together with tls.key, and the two are checked against each other.`},
			{name: "key", value: text(&t.Key, privateKey), example: `"""
-----BEGIN PRIVATE KEY-----
…
-----END PRIVATE KEY-----
"""`, doc: `
The private key of tls.certificate as PEM text, without a passphrase. It is never shown again: not in a message, nor in a log, nor by
"postroom settings show". Keep the file that holds it where only you can read it.`},
		}}
}
