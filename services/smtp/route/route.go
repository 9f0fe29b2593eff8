// Package route says by which way a mail goes to a recipient, by the settings and by what is known of its sender. It
// asks nobody and keeps nothing: the same answer when mail is taken in and at each try to deliver it, so that a change of
// the settings holds at once.
package route

import (
	"fmt"
	"strings"

	"postroom/services/settings"

	"golang.org/x/net/idna"
)

// Mail is what the way of a mail to one of its recipients depends on.
type Mail struct {
	Sender    string // of the envelope; empty: the null sender
	Recipient string

	Account bool   // the sender is an account's: its login, or an address of its user
	Host    string // the provider of that account
	Owner   bool   // who sent the mail is known to be the account's owner

	Own  bool // the box itself wrote it: a notice, a report
	Here bool // the recipient is an account's: its login, or an address of its user
}

// Kind is a kind of way.
type Kind int

// The kinds.
const (
	Local Kind = iota + 1 // into the In Queue of a user of the box
	Relay                 // to one server
	MX                    // to the servers that the recipient's domain names
)

// Login is who logs in at a relay.
type Login int

// The logins.
const (
	Nobody  Login = iota
	Account       // the sender's account, with its login data
	Kept          // a login that the owner gave, by its name
)

// Way is how a mail goes to a recipient. It can be compared.
type Way struct {
	Kind   Kind
	Rule   string            // what it goes by, for a person: a rule's name, or Name…
	Server settings.Server   // of a Relay
	Domain string            // of an MX: A-labels, lower case, or an address literal in its brackets
	TLS    settings.RelayTLS // of a Relay, or an MX
	Login  Login
	Name   string // of the Kept login
}

// Names of ways that no transport rule makes.
const (
	NameLocal      = "local"
	NameMX         = "MX"
	nameSubmission = "submission of " // and the provider's host
)

// Refusal says why a mail goes no way, and what to do about it. Both are for whoever sent it.
type Refusal struct {
	Code   string // enhanced (RFC 3463); the failure is permanent
	Reason string
	Remedy string
}

func (r *Refusal) Error() string { return r.Reason + ": " + r.Remedy }

// portImplicit is where a submission server expects TLS from the start (RFC 8314 §7.3).
const portImplicit = 465

// Find gives the way of a mail. The error is a *Refusal.
//
//   - Mail to a local domain stays here; so does the box's own to anyone who has an account here, whatever the domain.
//   - Then the first transport rule that matches holds. One with an account's login matches its owner's mail only.
//   - Then the submission server of the account's provider, for its owner's mail.
//   - Then the MX. But not where only the proof was missing for a way by the account's login: mail of this sender that
//     comes from anywhere else is what receivers refuse, and what a stranger would send.
func Find(s *settings.Settings, m Mail) (Way, error) {
	domain := Domain(m.Recipient)
	if domain == "" {
		return Way{}, &Refusal{"5.1.3", fmt.Sprintf("%q has no domain", m.Recipient), "write the whole address, as in name@example.org"}
	}
	if s.Local(domain) || m.Own && m.Here {
		return Way{Kind: Local, Rule: NameLocal}, nil
	}
	owner := m.Owner && m.Account && (m.Sender != "" || m.Own) // whoever sends with the null sender proves nothing by it
	missed := ""                                               // the way that was only missed for want of a proof
	for _, rule := range s.TransportRules {
		if !rule.Matches(m.Sender, m.Recipient) {
			continue
		}
		if rule.Login == settings.LoginAccount && !owner {
			if missed == "" {
				missed = fmt.Sprintf("the transport rule %q", rule.Name)
			}
			continue
		}
		return byRule(rule, domain), nil
	}
	if server := s.Provider(m.Host).Submission; m.Account && m.Host != "" && server.Host != "" {
		if owner {
			return Way{Kind: Relay, Rule: nameSubmission + m.Host, Server: server, TLS: submissionTLS(server), Login: Account}, nil
		}
		if missed == "" {
			missed = "the outgoing server of " + m.Host
		}
	}
	if m.Account && m.Sender != "" && missed != "" {
		return Way{}, &Refusal{"5.7.1",
			fmt.Sprintf("mail from <%s> goes through %s with the login of that account, and nothing shows that it is yours", m.Sender, missed),
			"log in for sending with the same account name and password as for receiving, or receive mail of that account with this device first"}
	}
	return Way{Kind: MX, Rule: NameMX, Domain: domain, TLS: settings.RelayOpportunistic}, nil
}

func byRule(rule settings.TransportRule, domain string) Way {
	w := Way{Kind: Relay, Rule: rule.Name, Server: rule.Relay, TLS: rule.TLS}
	if rule.Relay.Host == "" {
		w.Kind, w.Domain = MX, domain
		return w
	}
	switch rule.Login {
	case settings.LoginNone, "":
	case settings.LoginAccount:
		w.Login = Account
	default:
		w.Login, w.Name = Kept, rule.Login
	}
	return w
}

func submissionTLS(server settings.Server) settings.RelayTLS {
	if server.Port == portImplicit {
		return settings.RelayImplicit
	}
	return settings.RelayStartTLS
}

// NeedsOwner says whether any way depends on whose the sender is.
func NeedsOwner(s *settings.Settings) bool {
	for _, rule := range s.TransportRules {
		if rule.Login == settings.LoginAccount {
			return true
		}
	}
	for _, p := range s.Providers {
		if p.Submission.Host != "" {
			return true
		}
	}
	return false
}

// Domain gives what stands behind an address's last @, as it is compared: A-labels, lower case, no dot at the end. Empty: there is
// none.
func Domain(address string) string {
	domain := strings.TrimSuffix(address[strings.LastIndexByte(address, '@')+1:], ".")
	if domain == "" || !strings.Contains(address, "@") {
		return ""
	}
	if name, err := idna.Lookup.ToASCII(domain); err == nil {
		return name
	}
	return strings.ToLower(domain)
}
