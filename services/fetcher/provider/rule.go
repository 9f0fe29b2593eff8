package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"postroom/services/settings"
)

// Ports of POP3: with STLS or in the clear, and with TLS from the start (RFC 8314 §3.3).
const (
	portPlain = 110
	portTLS   = 995
)

// maxAddresses is how many of a host's addresses are tried.
const maxAddresses = 6

// Target is where a login goes.
type Target struct {
	Host string // as in a canonical compound name
	Port uint16 // 0: none was typed

	// Enrolling says that the login may bring a new account: then the owner's list of providers holds, if
	// there is one (enrol.providers).
	Enrolling bool
}

// NotAllowed says that the provider rule forbids a provider, and why, for a person.
type NotAllowed struct{ Reason string }

func (e *NotAllowed) Error() string { return e.Reason }

// route is what the provider rule makes of a target: the ways to try, in this order.
type route struct {
	profile settings.Provider
	ways    []way
}

// way is one port of a provider, at addresses that were checked.
type way struct {
	addresses []netip.AddrPort
	tls       settings.TLSMode
}

// resolve looks up all addresses of a host name.
type resolve func(ctx context.Context, host string) ([]netip.Addr, error)

// plan applies the provider rule. A name is resolved once, here: what is dialled is an address that was checked.
func plan(ctx context.Context, s *settings.Settings, t Target, lookUp resolve) (route, error) {
	p := s.Provider(t.Host)
	if p.BuiltIn && t.Enrolling && s.Enrol.Providers == settings.ProvidersListed {
		return route{}, &NotAllowed{fmt.Sprintf("%q is not among the providers that are allowed here", t.Host)}
	}
	if t.Port != 0 && !p.AllowsPort(t.Port) {
		return route{}, &NotAllowed{fmt.Sprintf("port %d is not allowed for %q: leave the port out", t.Port, t.Host)}
	}
	if p.Address.IsValid() {
		return route{p, []way{{[]netip.AddrPort{p.Address}, p.TLS}}}, nil
	}
	addresses, err := publicAddresses(ctx, t.Host, lookUp)
	if err != nil {
		return route{}, err
	}
	at := func(port uint16, mode settings.TLSMode) way {
		w := way{tls: mode}
		for _, a := range addresses {
			w.addresses = append(w.addresses, netip.AddrPortFrom(a, port))
		}
		return w
	}
	implicit, stls := at(portTLS, settings.TLSImplicit), at(portPlain, settings.TLSSTLS)
	switch {
	case p.BuiltIn && t.Port == portTLS:
		return route{p, []way{implicit}}, nil
	case p.BuiltIn && t.Port == portPlain:
		return route{p, []way{stls}}, nil
	case p.BuiltIn:
		return route{p, []way{implicit, stls}}, nil
	case t.Port != 0 && t.Port != portPlain && t.Port != portTLS:
		return route{p, []way{at(t.Port, p.TLS)}}, nil
	case p.TLS == settings.TLSImplicit:
		return route{p, []way{implicit}}, nil
	}
	return route{p, []way{at(portPlain, p.TLS)}}, nil
}

// publicAddresses gives the addresses of a host. One that isn't public forbids them all: a name that leads
// inside as well as outside is a way around the rule.
func publicAddresses(ctx context.Context, host string, lookUp resolve) ([]netip.Addr, error) {
	var addresses []netip.Addr
	if addr, err := netip.ParseAddr(host); err == nil {
		addresses = []netip.Addr{addr.Unmap()}
	} else {
		if addresses, err = lookUp(ctx, host); err != nil {
			return nil, err
		}
	}
	var four, six, mixed []netip.Addr
	for _, a := range addresses {
		a = a.Unmap()
		switch {
		case !IsPublic(a):
			return nil, &NotAllowed{fmt.Sprintf("%q has the address %s, which is not a public one: only a provider block with \"address\" leads there", host, a)}
		case slices.Contains(four, a), slices.Contains(six, a):
		case a.Is4():
			four = append(four, a)
		default:
			six = append(six, a)
		}
	}
	for len(four)+len(six) > 0 {
		if len(six) > 0 {
			mixed, six = append(mixed, six[0]), six[1:]
		}
		if len(four) > 0 {
			mixed, four = append(mixed, four[0]), four[1:]
		}
	}
	if len(mixed) == 0 {
		return nil, &Unreachable{Host: host, Cause: errNoAddress}
	}
	return mixed[:min(len(mixed), maxAddresses)], nil
}

// Forbidden tells whether err means that a provider doesn't fit the rule, now and later: it isn't allowed, there is
// no such name, or nothing that is valid for the name and under TLS answers there.
func Forbidden(err error) bool {
	var (
		notAllowed  *NotAllowed
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
	)
	return errors.As(err, &notAllowed) || errors.Is(err, errNoSTLS) || errors.Is(err, errNoAddress) ||
		errors.As(err, &certificate) || errors.As(err, &dns) && dns.IsNotFound
}
