package settings

import (
	"crypto/x509"
	"net/netip"
	"time"
)

// Provider is a provider's profile.
type Provider struct {
	Host        string         // as in a canonical compound name; may be an address
	Address     netip.AddrPort // to dial instead of the host; not valid: none
	Ports       []PortRange    // that a compound name may give beside 110 and 995
	TLS         TLSMode
	CA          string // PEM, beside the system's roots; empty: none
	Delete      DeletePolicy
	MinInterval time.Duration // between the starts of two fetches for an account; 0: none
	Submission  Server        // where its accounts' mail is handed in, with their login data; no host: not known

	// BuiltIn says that no block of the file is for this host. It is then dialled on 995 with
	// implicit TLS, else on 110 with STLS required, whatever TLS says.
	BuiltIn bool
}

// TLSMode is how a provider is talked to.
type TLSMode string

// The values of provider.tls.
const (
	TLSImplicit TLSMode = "implicit"
	TLSSTLS     TLSMode = "stls" // required
	TLSNone     TLSMode = "none"
)

// DefaultProvider is what a host without a profile gets.
func DefaultProvider(host string) Provider {
	return Provider{
		Host: host, Ports: []PortRange{}, TLS: TLSImplicit, Delete: DeleteAtOnce, MinInterval: time.Minute, BuiltIn: true,
	}
}

// Provider gives the profile of a host, however it is written, else the built-in one.
func (s *Settings) Provider(host string) Provider {
	if canonical, f := parseHost(host); f == nil {
		host = canonical
	}
	for _, p := range s.Providers {
		if p.Host == host {
			return p
		}
	}
	return DefaultProvider(host)
}

// AllowsPort says whether a compound name may give port.
func (p Provider) AllowsPort(port uint16) bool {
	for _, r := range p.Ports {
		if r.Contains(port) {
			return true
		}
	}
	return port == 110 || port == 995
}

// Roots is what a certificate of the provider may go back to: the system's roots and CA.
// nil means the system's alone, as in tls.Config.
func (p Provider) Roots() *x509.CertPool {
	certs, f := parseCertificates(p.CA)
	if f != nil || len(certs) == 0 {
		return nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil { // a box without roots
		roots = x509.NewCertPool()
	}
	for _, cert := range certs {
		roots.AddCert(cert)
	}
	return roots
}

// check finds a provider that could never be dialled.
func (p *Provider) check() *fault {
	addr, err := netip.ParseAddr(p.Host)
	if err != nil || p.Address.IsValid() {
		return nil
	}
	if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return wrong("is missing: the host %q is a private address, and only provider.address leads to one", p.Host).
			better("write for example address = %q", netip.AddrPortFrom(addr, 995))
	}
	if addr.IsUnspecified() || addr.IsMulticast() {
		return wrong("is missing: the host %q is not the address of one machine", p.Host)
	}
	return nil
}

func (p *Provider) section() section {
	return section{name: "provider", block: true, doc: `
What is special about one provider. Most need no block: a provider without one is reached on port 995 with TLS, else on port 110 with STLS,
never in the clear, and its certificate has to be valid for its name. None is there by default; the defaults below
are for what a block leaves out.`,
		settings: []setting{
			{name: "host", value: text(&p.Host, host), required: true, example: `"pop3.example.org"`, doc: `
The provider's POP3 server as your users write it at the end of their account names, behind the last "@". It may be an address. Capital
letters make no difference. Each provider has one block only.`},
			{name: "address", value: text(&p.Address, addrPort), example: `"192.168.1.20:995"`, doc: `
The address and port to connect to instead of looking the host up. This is the only way to a server with a private address, such as one in your own
network. The certificate is still checked for the host's name.`},
			{name: "ports", value: ports{&p.Ports}, example: `[2110, "10000-10100"]`, doc: `
Further ports that users may give behind the host, as in myaccount@pop3.example.org:2110. Ports 110 and 995 are always allowed.`},
			{name: "tls", value: text(&p.TLS, choice([]TLSMode{TLSImplicit, TLSSTLS, TLSNone})), example: `"stls"`, doc: `
How to talk to the provider: with TLS from the start ("implicit", usually port 995), with the STLS command before the login ("stls", usually port 110), or
without TLS ("none"). With "none" anyone on the way can read passwords and mail: only for a server in your own network.`},
			{name: "ca", value: text(&p.CA, certificates), example: `"""
-----BEGIN CERTIFICATE-----
…
-----END CERTIFICATE-----
"""`, doc: `
The certificate of the authority that the provider's certificate comes from, as PEM text between three quotes, for a server that no public
authority vouches for. It counts for this provider only, beside the authorities that everybody trusts.`},
			{name: "delete", value: text(&p.Delete, deletion), example: `"336h"`, doc: `
When mail is deleted at the provider: with "at-once" as soon as it is safely stored here; with a time such as "336h" (two weeks) when it has been
stored here for so long; with "never" not at all, so that the mailbox there fills up unless somebody else empties it. A change also holds for
mail that is there already. Mail is fetched once, whatever stands here.`},
			{name: "min_interval", value: text(&p.MinInterval, duration(0, day)), example: `"15m"`, doc: `
The shortest time between two logins for an account at this provider; some refuse logins that come more often. A fetch that would come too early
is put off, not dropped. Where the provider itself announces a longer time, that one holds. "0s" is no limit.`},
			{name: "submission", value: text(&p.Submission, relay), example: `"mail.gmx.net:465"`, doc: `
The provider's server for outgoing mail. Mail whose sender is an account here, or an address of its user, then goes there with that account's login, wherever no
[[transport_rule]] matches before: receivers trust mail of this sender most if it comes from there. On port 465 with TLS from the start, on any other with STARTTLS.
For mail of anyone who isn't known to be the account's owner this doesn't count: see transport_rule.login.`},
		}}
}
