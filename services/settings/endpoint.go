package settings

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A Listen is where a service listens. No host means every address of the box;
// port 0 lets the system pick one.
type Listen struct {
	Host string
	Port uint16
}

// String is the form that net.Listen takes.
func (l Listen) String() string { return joinHostPort(l.Host, l.Port) }

// everywhere says that no other socket can have the port. Go's net.Listen takes a
// literal 0.0.0.0 for both IPv4 and IPv6 too.
func (l Listen) everywhere() bool {
	addr, err := netip.ParseAddr(l.Host)
	return l.Host == "" || err == nil && addr.IsUnspecified()
}

// overlaps says that l and other can't both be had.
func (l Listen) overlaps(other Listen) bool {
	return l.Port == other.Port && l.Port != 0 &&
		(l.Host == other.Host || l.everywhere() || other.everywhere())
}

var listen = form[Listen]{
	words: "`\":port\"` (every address of the box) or `\"host:port\"`; port 0 picks a free one",
	parse: func(text string) (Listen, *fault) {
		if _, err := strconv.ParseUint(text, 10, 16); err == nil {
			return Listen{}, wrong("%s is not host:port", quote(text)).better("write %s", quote(":"+text))
		}
		host, port, f := splitHostPort(text, 0)
		if f == nil && host != "" {
			host, f = parseHost(host)
		}
		return Listen{host, port}, f
	},
	show: Listen.String,
}

// A Server is a host, by name or address, and the port that it is asked on.
type Server struct {
	Host string
	Port uint16
}

// String is the form that net.Dial takes.
func (s Server) String() string { return joinHostPort(s.Host, s.Port) }

// server is the form of a Server that has a usual port.
func server(usual uint16) form[Server] {
	return form[Server]{
		words: "`\"host\"` or `\"host:port\"`",
		parse: func(text string) (Server, *fault) {
			_, err := netip.ParseAddr(text)
			if err == nil || !strings.Contains(text, ":") {
				host, f := parseHost(text)
				return Server{host, usual}, f
			}
			host, port, f := splitHostPort(text, 1)
			if f == nil {
				host, f = parseHost(host)
			}
			return Server{host, port}, f
		},
		show: func(s Server) string {
			if s.Port == usual {
				return s.Host
			}
			return s.String()
		},
	}
}

// addrPort is the form of an address with a port, or of none.
var addrPort = form[netip.AddrPort]{
	words: "`\"address:port\"`, or `\"\"` for none",
	parse: func(text string) (netip.AddrPort, *fault) {
		if text == "" {
			return netip.AddrPort{}, nil
		}
		host, port, f := splitHostPort(text, 1)
		if f != nil {
			return netip.AddrPort{}, f
		}
		addr, err := netip.ParseAddr(host)
		switch {
		case err != nil || addr.Zone() != "":
			return netip.AddrPort{}, wrong("%s is not an address with a port", quote(text)).better(`write it as "10.0.2.100:995"`)
		case addr.IsUnspecified() || addr.IsMulticast():
			return netip.AddrPort{}, wrong("%s is not the address of one machine", quote(text))
		}
		return netip.AddrPortFrom(addr.Unmap(), port), nil
	},
	show: func(a netip.AddrPort) string {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	},
}

func joinHostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func splitHostPort(text string, least uint16) (host string, port uint16, f *fault) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		f := wrong("%s is not host:port", quote(text))
		if addr, err := netip.ParseAddr(text); err == nil && addr.Is6() {
			f.better("put an IPv6 address in brackets, its port behind them")
		}
		return "", 0, f
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n < uint64(least) {
		return "", 0, wrong("%s has no port from %d to 65535", quote(text), least)
	}
	return host, uint16(n), nil
}
