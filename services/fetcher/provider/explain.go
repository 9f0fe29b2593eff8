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
		return explainRefusal(host, refusal)
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

// refusalWords has words for what a refusal means: %[1]q is the host, %[2]s what it said.
var refusalWords = map[meaning]string{
	wrongLogin:  `%[1]q refused login name or password: %[2]s`,
	appPassword: `%[1]q wants a password of its own for mail programs: %[2]s; make one in the account's security settings there, and log in with it`,
	expired:     `the password has expired at %[1]q: %[2]s; set a new one there, and log in with it`,
	noPasswords: `%[1]q takes no passwords from mail programs any more: %[2]s; mail can't be fetched from there`,
	webLogin:    `%[1]q wants its user to log in with a web browser first: %[2]s; do so, and confirm what it asks`,
	popOff:      `POP3 is switched off at %[1]q: %[2]s; turn it on in the account's settings there`,
	blocked:     `%[1]q has locked the account: %[2]s; ask there what to do`,
	needsTLS:    `%[1]q takes passwords under TLS only: %[2]s; set tls to "implicit" or "stls" in its [[provider]] block`,
	tooOften:    `%[1]q refuses logins that come so soon after each other: %[2]s`,
}

// sameWords are providers that refuse what is something else with the words for a wrong password.
var sameWords = []struct {
	host string // the end of its name
	text string // the end of the explanation
}{
	{"gmx.net", popOffToo}, {"gmx.de", popOffToo}, {"gmx.com", popOffToo}, {"gmx.at", popOffToo}, {"gmx.ch", popOffToo}, {"web.de", popOffToo},
	{"163.com", codeToo}, {"126.com", codeToo}, {"qq.com", codeToo},
	{"outlook.com", oauthToo}, {"office365.com", oauthToo}, {"hotmail.com", oauthToo}, {"live.com", oauthToo},
}

const (
	popOffToo = "; it says the same while POP3 is switched off in the account's settings there"
	codeToo   = "; it says the same while POP3 is switched off there, and to the account's own password instead of an authorization code"
	oauthToo  = "; it says the same where it takes no passwords from mail programs"
)

func explainRefusal(host string, r *Refusal) string {
	m := r.means()
	if words, ok := refusalWords[m]; ok {
		text := fmt.Sprintf(words, host, r.Words())
		for _, same := range sameWords {
			if m == wrongLogin && (host == same.host || strings.HasSuffix(host, "."+same.host)) {
				text += same.text
			}
		}
		return text
	}
	switch {
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
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "-ERR ":
		return fmt.Sprintf("%q refused the connection before TLS began", host)
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
