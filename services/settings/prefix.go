package settings

import (
	"net/netip"
)

// prefix is the form of a network in CIDR notation.
var prefix = form[netip.Prefix]{
	words: "a network in CIDR notation, such as `\"192.168.1.0/24\"`",
	parse: func(text string) (netip.Prefix, *fault) {
		p, f := parsePrefix(text)
		if f == nil && p != p.Masked() {
			f = wrong("%s names a machine in the network %s", quote(text), p.Masked()).
				better("write %q, or for the machine alone %q", p.Masked(), alone(p.Addr()))
		}
		return p, f
	},
	show: netip.Prefix.String,
}

// parsePrefix reads an address with the length of its network; what is an IPv4-mapped
// IPv6 network becomes the IPv4 network that it means.
func parsePrefix(text string) (netip.Prefix, *fault) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		f := wrong("%s is not in CIDR notation", quote(text))
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			return p, f.better("write %q for that machine alone", alone(addr.Unmap()))
		}
		return p, f.better(`write an address, "/" and the length of the network, such as "192.168.1.0/24"`)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, nil
}

func alone(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }

// contains takes an IPv4-mapped address for the IPv4 address, and doesn't look at a zone.
func contains(p netip.Prefix, addr netip.Addr) bool {
	return p.Contains(addr.Unmap().WithZone(""))
}
