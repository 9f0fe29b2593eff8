package pop3

import (
	"net/netip"
	"sync"

	"postroom/services/settings"
)

var (
	errTooMany     = &refusal{code: codeTemp, text: "too many connections, try again later"}
	errTooManyHere = &refusal{code: codeTemp, text: "too many connections from your address, try again later"}
)

// places are those of connections, in all and by where they come from. The zero value is ready.
type places struct {
	mu    sync.Mutex
	taken int
	from  map[netip.Prefix]int // while there are any
}

// take takes a place, or says why there is none. Its holder calls leave.
func (p *places) take(from netip.Prefix, in settings.POP3) *refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.taken >= in.MaxConnections:
		return errTooMany
	case in.MaxConnectionsPerAddress > 0 && p.from[from] >= in.MaxConnectionsPerAddress:
		return errTooManyHere
	}
	if p.from == nil {
		p.from = make(map[netip.Prefix]int)
	}
	p.taken++
	p.from[from]++
	return nil
}

func (p *places) leave(from netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.from[from]--; p.from[from] == 0 {
		delete(p.from, from)
	}
}

// origin is what counts as one address: of IPv6, the 64 bits that one site, if not one machine, has for itself.
func origin(client netip.Addr) netip.Prefix {
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	from, _ := client.Prefix(bits) // fails for none: those without an address are one
	return from
}
