package gate

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// What a client is told that there is no place for.
var (
	ErrTooMany     = errors.New("too many connections, try again later")
	ErrTooManyHere = errors.New("too many connections from your address, try again later")
)

// Places are those of connections, in all and by where they come from. The zero value is ready.
type Places struct {
	mu    sync.Mutex
	taken int
	from  map[netip.Prefix]int // while there are any
}

// Take takes one of most places, of which one origin may have mostHere (0: all), or says why there is none. Its holder
// calls Leave.
func (p *Places) Take(from netip.Prefix, most, mostHere int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.taken >= most:
		return ErrTooMany
	case mostHere > 0 && p.from[from] >= mostHere:
		return ErrTooManyHere
	}
	if p.from == nil {
		p.from = make(map[netip.Prefix]int)
	}
	p.taken++
	p.from[from]++
	return nil
}

// Leave gives back a place that was taken.
func (p *Places) Leave(from netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.from[from]--; p.from[from] == 0 {
		delete(p.from, from)
	}
}

// Len is how many places are taken.
func (p *Places) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// Client gives the IP address that a connection came from, an IPv4-mapped one as IPv4; the zero Addr where it has none.
func Client(nc net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// Origin is what counts as one address: of IPv6, the 64 bits that one site, if not one machine, has for itself.
func Origin(client netip.Addr) netip.Prefix {
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	from, _ := client.Prefix(bits) // fails for none: those without an address are one
	return from
}
