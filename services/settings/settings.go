// Package settings is the one file that says how a box behaves: what may stand in it,
// what that means, and what holds where it says nothing.
//
// Each section is a Go file: its struct, and a table that binds every field to its name,
// its form and its words in the reference. Parse, Encode and Reference read these tables.
//
// A Settings is made by Parse, Default or Hosted and never changed afterwards, so that
// services can share one and swap it whole.
package settings

import "net/netip"

//go:generate go run ./internal/reference -o ../../docs/settings.md

// Settings is everything that a file says, with the default for what it doesn't.
type Settings struct {
	Appliance Appliance
	Network   Network
	TLS       TLS
	POP3      POP3
	Fetch     Fetch
	Enrol     Enrol
	Users     Users
	SMTP      SMTP
	Console   Console

	// Blocks; nil where there is none.
	Providers       []Provider
	TrustedNetworks []TrustedNetwork
	LocalDomains    []LocalDomain
	TransportRules  []TransportRule
}

// Default is what holds in the appliance without a file.
func Default() *Settings {
	return &Settings{
		Appliance: defaultAppliance(),
		Network:   defaultNetwork(),
		POP3:      defaultPOP3(),
		Fetch:     defaultFetch(),
		Enrol:     defaultEnrol(),
		Users:     defaultUsers(),
		SMTP:      defaultSMTP(),
		Console:   defaultConsole(),
	}
}

// Hosted is what holds on a workstation without a file: the default on loopback alone,
// on ports that an ordinary user may have.
func Hosted() *Settings {
	s := Default()
	s.POP3.Listen = []Listen{{"127.0.0.1", 1110}}
	s.POP3.ListenTLS = []Listen{{"127.0.0.1", 1995}}
	s.SMTP.Listen = []Listen{{"127.0.0.1", 1025}}
	s.SMTP.ListenSubmission = []Listen{{"127.0.0.1", 1587}}
	s.SMTP.ListenTLS = []Listen{{"127.0.0.1", 1465}}
	s.Console.Listen = []Listen{{"127.0.0.1", 8443}}
	return s
}

// MayEnrol says whether a client at addr may bring a new account.
func (s *Settings) MayEnrol(addr netip.Addr) bool {
	for _, network := range s.Enrol.Networks {
		if contains(network, addr) {
			return true
		}
	}
	return false
}

// Trusted says whether addr is in a trusted network.
func (s *Settings) Trusted(addr netip.Addr) bool {
	for _, network := range s.TrustedNetworks {
		if contains(network.CIDR, addr) {
			return true
		}
	}
	return false
}

// MayLogInPlain says whether a client at addr may send its password without TLS.
func (s *Settings) MayLogInPlain(addr netip.Addr) bool {
	switch s.POP3.PlaintextLogin {
	case PlaintextAlways:
		return true
	case PlaintextTrusted:
		return s.Trusted(addr)
	}
	return false
}

// WithoutSecrets is what a caller gets who has no business with the TLS key: the same
// without certificate and key, since one is refused without the other.
func (s *Settings) WithoutSecrets() *Settings {
	c := *s
	c.TLS = TLS{}
	return &c
}
