package settings

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// maxPEM bounds each PEM text, octets.
const maxPEM = 64 << 10

// certificates is the form of one or more certificates, or of none. What it finds wrong
// quotes nothing: a key may have been pasted in a certificate's place.
var certificates = form[string]{
	words: "PEM text, or `\"\"` for none",
	parse: func(text string) (string, *fault) {
		_, f := parseCertificates(text)
		return text, f
	},
	show: same,
}

// parseCertificates gives nothing for no text.
func parseCertificates(text string) ([]*x509.Certificate, *fault) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxPEM {
		return nil, wrong("is %d octets long; at most %d", len(text), maxPEM)
	}
	blocks, f := blocksOf(text)
	if f != nil {
		return nil, f
	}
	var all []*x509.Certificate
	for _, block := range blocks {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, wrong("holds a private key").better("certificates alone belong here; a key belongs into tls.key")
		}
		if block.Type != "CERTIFICATE" {
			return nil, wrong("holds a PEM block that is no certificate").better("write blocks of the type CERTIFICATE")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, wrong("holds a certificate that can't be read (the PEM block with number %d)", len(all)+1)
		}
		all = append(all, cert)
	}
	return all, nil
}

// privateKey is the form of a private key, or of none.
var privateKey = form[Secret]{
	words: "PEM text, or `\"\"` for none",
	parse: func(text string) (Secret, *fault) { return NewSecret(text), checkKey(text) },
	show:  Secret.Reveal,
}

func checkKey(text string) *fault {
	if text == "" {
		return nil
	}
	if len(text) > maxPEM {
		return wrong("is %d octets long; at most %d", len(text), maxPEM)
	}
	blocks, f := blocksOf(text)
	if f != nil {
		return f
	}
	for _, block := range blocks {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return wrong("is protected by a passphrase").better("the box needs the key without one")
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if readable(block.Bytes) {
			return nil
		}
		return wrong("holds a private key that can't be read").better("write an RSA, ECDSA or Ed25519 key in PEM form")
	}
	return wrong("holds no private key").better("write a PEM block of the type PRIVATE KEY")
}

// readable tries the encodings that tls.X509KeyPair takes.
func readable(der []byte) bool {
	_, pkcs8 := x509.ParsePKCS8PrivateKey(der)
	_, pkcs1 := x509.ParsePKCS1PrivateKey(der)
	_, ec := x509.ParseECPrivateKey(der)
	return pkcs8 == nil || pkcs1 == nil || ec == nil
}

// checkPair holds a certificate and a key, each good alone, against each other.
func checkPair(certificate, key string) *fault {
	switch _, err := tls.X509KeyPair([]byte(certificate), []byte(key)); {
	case certificate == "" && key == "", err == nil:
		return nil
	case certificate == "":
		return wrong("is here without its certificate").better("write both, or neither")
	case key == "":
		return wrong("is here without its key").better("write both, or neither")
	}
	return wrong("is not the key of tls.certificate").better("the server's own certificate comes first in tls.certificate")
}

func blocksOf(text string) ([]*pem.Block, *fault) {
	var blocks []*pem.Block
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks = append(blocks, block)
	}
	// pem.Decode steps over a block that it can't read
	if len(blocks) == 0 || len(blocks) != strings.Count(text, "-----BEGIN") {
		return nil, wrong("is not whole PEM text").
			better("copy all of it, from the line -----BEGIN to the line -----END, between three quotes")
	}
	return blocks, nil
}
