package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"postroom/services/wire"
)

// Explain says what went wrong at a provider in words that a person can act on, the provider's own included.
func Explain(host string, err error) string {
	var (
		notAllowed  *NotAllowed
		refusal     *Refusal
		unreachable *Unreachable
		dns         *net.DNSError
	)
	switch {
	case errors.As(err, &notAllowed):
		return notAllowed.Reason
	case errors.Is(err, errNoSTLS):
		return fmt.Sprintf("%q offers no TLS (STLS) there, and a password is never sent without", host)
	case errors.As(err, &refusal):
		return explainRefusal(host, refusal, err)
	case errors.As(err, &dns) && dns.IsNotFound, errors.Is(err, errNoAddress):
		return fmt.Sprintf("there is no server named %q: check what stands behind the last \"@\"", host)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %q could not be looked up just now: %s", host, dns.Err)
	}
	if text := explainTLS(host, err); text != "" {
		return text
	}
	switch {
	case errors.As(err, &unreachable):
		return fmt.Sprintf("no connection to %q: %s", host, strings.TrimPrefix(unreachable.Address+": ", ": ")+plainCause(unreachable.Cause))
	case errors.Is(err, wire.ErrBufferedPlaintext):
		return fmt.Sprintf("%q sent plain text where TLS begins: someone may be in between", host)
	case errors.Is(err, ErrProtocol):
		return fmt.Sprintf("what answers at %q is not a POP3 server as it should be: %v", host, err)
	}
	return fmt.Sprintf("the session with %q broke off: %s", host, plainCause(err))
}

func explainRefusal(host string, r *Refusal, err error) string {
	switch {
	case DefinitelyRefused(err):
		return fmt.Sprintf("%q refused login name or password: %s", host, r.Words())
	case r.Command == "USER", r.Command == "PASS":
		return fmt.Sprintf("%q refused the login: %s", host, r.Words())
	case r.Command == "":
		return fmt.Sprintf("%q takes no session now: %s", host, r.Words())
	}
	return fmt.Sprintf("%q refused %s: %s", host, r.Command, r.Words())
}

// explainTLS has words for a bad certificate; none for other errors.
func explainTLS(host string, err error) string {
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate of %q is not valid for that name, but for %s", host, names(name.Certificate))
	case errors.As(err, &authority):
		return fmt.Sprintf("the certificate of %q comes from an authority that is not trusted here: %q", host, issuer(authority.Cert))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %q is valid from %s to %s, and here it is %s", host,
			day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter), day(time.Now()))
	case errors.As(err, &verify):
		return fmt.Sprintf("the certificate of %q is not good: %v", host, verify.Err)
	case errors.As(err, &record):
		return fmt.Sprintf("%q does not speak TLS there", host)
	}
	return ""
}

func names(cert *x509.Certificate) string {
	if cert == nil {
		return "no name"
	}
	all := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return fmt.Sprintf("%q", showable(strings.Join(all, " ")))
}

func issuer(cert *x509.Certificate) string {
	if cert == nil {
		return "unknown"
	}
	return showable(cert.Issuer.String())
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// plainCause leaves out of a network error what its reader knows already.
func plainCause(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, wire.ErrInterrupted):
		return "no answer in time"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
