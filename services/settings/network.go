package settings

import "net/netip"

// Network is how the appliance gets onto its network. In hosted mode only DNS counts.
type Network struct {
	Address netip.Prefix // the box's own address with its network; the zero Prefix: by DHCP
	Gateway netip.Addr   // the zero Addr: by DHCP
	DNS     []Server     // empty: from DHCP, hosted: the system's
}

func defaultNetwork() Network { return Network{DNS: []Server{}} }

const portDNS = 53

// DHCP says that address and gateway come from a DHCP server.
func (n Network) DHCP() bool { return !n.Address.IsValid() }

const byDHCP = "dhcp"

// ownAddress is the form of the box's own address.
var ownAddress = form[netip.Prefix]{
	words: "`\"dhcp\"`, or an address with the length of its network, such as `\"192.168.1.5/24\"`",
	parse: func(text string) (netip.Prefix, *fault) {
		if text == byDHCP {
			return netip.Prefix{}, nil
		}
		p, err := netip.ParsePrefix(text)
		addr := p.Addr()
		switch {
		case err != nil:
			f := wrong("%s is neither \"dhcp\" nor an address with the length of its network", quote(text))
			if addr, err := netip.ParseAddr(text); err == nil && addr.Is4() {
				return p, f.better("the length is missing: write for example %q", netip.PrefixFrom(addr, 24))
			}
			return p, f.better(`write for example "192.168.1.5/24"`)
		case addr.Is4In6():
			return p, wrong("%s is an IPv4 address in IPv6 form", quote(text)).better("write the IPv4 address")
		case !ofOneMachine(addr) || addr.IsLoopback():
			return p, wrong("%s is not an address that a machine can have in a network", quote(text))
		case addr.Is4() && p.Bits() < 31 && (p == p.Masked() || addr == lastOf(p)):
			return p, wrong("%s is not an address of one machine: it is the first or last of its network", quote(text))
		}
		return p, nil
	},
	show: func(p netip.Prefix) string {
		if !p.IsValid() {
			return byDHCP
		}
		return p.String()
	},
}

// gatewayAddress is the form of the next router's address, or of none.
var gatewayAddress = form[netip.Addr]{
	words: "an address, or `\"\"` with DHCP",
	parse: func(text string) (netip.Addr, *fault) {
		if text == "" {
			return netip.Addr{}, nil
		}
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || !ofOneMachine(addr) {
			return netip.Addr{}, wrong("%s is not an address of a machine", quote(text)).better(`write it as "192.168.1.1"`)
		}
		return addr, nil
	},
	show: func(addr netip.Addr) string {
		if !addr.IsValid() {
			return ""
		}
		return addr.String()
	},
}

func ofOneMachine(addr netip.Addr) bool { return !addr.IsUnspecified() && !addr.IsMulticast() }

// lastOf is the broadcast address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// check holds address and gateway against each other. A link-local router is in reach of every IPv6 address.
func (n *Network) check() *fault {
	switch reachable := n.Address.Contains(n.Gateway) || n.Address.Addr().Is6() && n.Gateway.IsLinkLocalUnicast() && n.Gateway.Is6(); {
	case n.DHCP() && n.Gateway.IsValid():
		return wrong("is only for a fixed network.address; with \"dhcp\" the gateway comes from there").
			better("leave it out, or give network.address")
	case n.DHCP():
		return nil
	case !n.Gateway.IsValid():
		return wrong("is missing: a fixed network.address needs its gateway").better("write the address of your router")
	case n.Gateway == n.Address.Addr():
		return wrong("%q is the box's own address", n.Gateway).better("write the address of your router")
	case !reachable:
		return wrong("%q is not in the network of network.address, %s", n.Gateway, n.Address.Masked())
	}
	return nil
}

func (n *Network) section() section {
	return section{name: "network", doc: `
How the appliance gets onto your network. On a workstation the system has seen to that, and only network.dns counts.`,
		settings: []setting{
			{name: "address", value: text(&n.Address, ownAddress), example: `"192.168.1.5/24"`, doc: `
"dhcp" asks your DHCP server. A fixed address is written with the length of its network, and then needs network.gateway, and
network.dns too: without it no provider's name can be found.`},
			{name: "gateway", value: text(&n.Gateway, gatewayAddress), example: `"192.168.1.1"`, doc: `
The address of your router, for a fixed network.address; it has to be in the same network. With "dhcp" it stays empty.`},
			{name: "dns", value: list(&n.DNS, server(portDNS)), example: `["192.168.1.1", "9.9.9.9:53"]`, doc: `
The name servers to ask, best by their addresses; the port is 53 where none is given. With an empty list they are those that
the DHCP server names, and on a workstation those of the system.`},
		}}
}
