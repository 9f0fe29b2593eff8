package provider

import "net/netip"

// special holds the networks that no public server lives in, after IANA's special-purpose address
// registries (RFC 6890). Of IPv6 only 2000::/3 is given out at all.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays, RFC 7526
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks, RFC 2544
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"),

	netip.MustParsePrefix("2001::/23"), // Teredo, ORCHID and other protocols' own
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"), // documentation, RFC 9637
}

var (
	unicast6  = netip.MustParsePrefix("2000::/3")
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056: the IPv4 address is behind the prefix
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the IPv4 address comes last
)

// IsPublic tells whether addr can be a server on the Internet. An address that stands for an IPv4 address
// (mapped, 6to4, NAT64) is public where that one is.
func IsPublic(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if addr.Is6() {
		b := addr.As16()
		switch {
		case sixToFour.Contains(addr):
			addr = netip.AddrFrom4([4]byte(b[2:6]))
		case nat64.Contains(addr):
			addr = netip.AddrFrom4([4]byte(b[12:16]))
		case !unicast6.Contains(addr):
			return false
		}
	}
	for _, network := range special {
		if network.Contains(addr) {
			return false
		}
	}
	return addr.IsValid()
}
