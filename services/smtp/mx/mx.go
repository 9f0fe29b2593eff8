// Package mx finds the servers that take a domain's mail (RFC 5321 §5.1, RFC 7505).
//
// It asks strictly: "there is none" never hides a server that failed.
package mx

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postroom/services/resolver"
	"postroom/services/settings"
)

// Bounds of what is made of one domain's answers.
const (
	maxHosts     = 10
	maxAddresses = 8 // of a host
	patience     = 30 * time.Second
)

// Host is a server with its addresses, in the order in which they are to be tried.
type Host struct {
	Name      string
	Addresses []netip.Addr
}

// Failure is why there is no server.
type Failure struct {
	Permanent bool
	Status    string // enhanced code (RFC 3463, RFC 7505)
	Text      string // for a person
	Cause     error
}

func (f *Failure) Error() string { return f.Text }
func (f *Failure) Unwrap() error { return f.Cause }

// Resolver asks name servers.
type Resolver struct {
	Servers []settings.Server          // empty: the system's
	Name    string                     // the box's own
	Own     func(addr netip.Addr) bool // whether mail sent to addr would come back to the box; nil: none would
}

// Domain gives the servers of a domain, the first one first; an address literal's is its address. The error is a *Failure.
func (r Resolver) Domain(ctx context.Context, domain string) ([]Host, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if inner, ok := strings.CutPrefix(domain, "["); ok {
		return r.literal(domain, strings.TrimSuffix(inner, "]"))
	}
	names := resolver.New(r.Servers, true)
	records, err := names.LookupMX(ctx, domain)
	if err != nil && !resolver.NotFound(err) {
		return nil, unknown(domain, err)
	}
	if len(records) == 1 && records[0].Host == "." {
		return nil, &Failure{Permanent: true, Status: "5.1.10", Text: domain + " says that it takes no mail"} // RFC 7505 §4.1
	}
	if len(records) == 0 {
		records = []*net.MX{{Host: domain + "."}} // the implicit MX
	}
	shuffle(records)
	var hosts []Host
	var failed *Failure
	for i, record := range records {
		name := strings.ToLower(strings.TrimSuffix(record.Host, "."))
		if name == "" {
			continue
		}
		addresses, f := addressesOf(ctx, names, name)
		if strings.EqualFold(name, r.Name) || slices.ContainsFunc(addresses, r.own) {
			// This box is one of the servers: those that aren't better would only bring the mail back.
			hosts = slices.DeleteFunc(hosts, func(h Host) bool {
				return slices.ContainsFunc(records[:i], func(m *net.MX) bool {
					return m.Pref == record.Pref && strings.EqualFold(strings.TrimSuffix(m.Host, "."), h.Name)
				})
			})
			if failed == nil {
				failed = &Failure{Permanent: true, Status: "5.4.6", Text: fmt.Sprintf("the mail would come back: the server of %s is this box itself", domain)}
			}
			break
		}
		if f != nil {
			if failed == nil || failed.Permanent {
				failed = f
			}
			continue
		}
		if hosts = append(hosts, Host{name, addresses}); len(hosts) == maxHosts {
			break
		}
	}
	switch {
	case len(hosts) > 0:
		return hosts, nil
	case failed == nil:
		return nil, &Failure{Permanent: true, Status: "5.1.2", Text: domain + " names no server for its mail"}
	case err != nil && failed.Status == "5.4.4": // no MX, no address
		failed = &Failure{Permanent: true, Status: "5.1.2", Text: fmt.Sprintf("there is no domain %s, or nothing that takes mail for it", domain), Cause: failed.Cause}
	}
	return nil, failed
}

// Addresses gives those of a server that is known by its name. The error is a *Failure.
func (r Resolver) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addresses, f := addressesOf(ctx, resolver.New(r.Servers, true), name)
	if f != nil {
		f.Permanent = false // a setting names it: that may be mended
		f.Status = "4" + f.Status[1:]
		return nil, f
	}
	return addresses, nil
}

func addressesOf(ctx context.Context, names *resolver.Resolver, name string) ([]netip.Addr, *Failure) {
	list, err := names.LookupNetIP(ctx, name)
	list = slices.DeleteFunc(list, netip.Addr.IsMulticast)
	switch {
	case len(list) > 0:
		return list[:min(len(list), maxAddresses)], nil
	case err == nil || resolver.NotFound(err):
		return nil, &Failure{Permanent: true, Status: "5.4.4", Text: fmt.Sprintf("the server %s has no address", name), Cause: err}
	}
	return nil, unknown(name, err)
}

// own says that mail would come back. The unspecified address is the box, too.
func (r Resolver) own(addr netip.Addr) bool {
	return addr.IsUnspecified() || r.Own != nil && r.Own(addr)
}

func (r Resolver) literal(domain, text string) ([]Host, error) {
	if tag := "IPv6:"; len(text) > len(tag) && strings.EqualFold(text[:len(tag)], tag) {
		text = text[len(tag):]
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil || addr.Zone() != "":
		return nil, &Failure{Permanent: true, Status: "5.1.3", Text: domain + " is no address"}
	case r.own(addr.Unmap()):
		return nil, &Failure{Permanent: true, Status: "5.4.6", Text: fmt.Sprintf("the mail would come back: %s is this box itself", domain)}
	}
	return []Host{{domain, []netip.Addr{addr.Unmap()}}}, nil
}

// shuffle puts the best first, equals in a random order.
func shuffle(records []*net.MX) {
	rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	slices.SortStableFunc(records, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
}

func unknown(name string, err error) *Failure {
	return &Failure{Status: "4.4.3", Text: fmt.Sprintf("the name servers don't answer for %s", name), Cause: err}
}
