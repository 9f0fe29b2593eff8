package network

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

const (
	defaultLease = time.Hour // for a server that says nothing
	leastLease   = time.Minute
	leastRetry   = 2 * time.Second
	mostRetry    = time.Minute
)

// lease gets an address by DHCP (RFC 2131) and keeps it, until ctx ends.
func (k *Keeper) lease(ctx context.Context, p *port, host string) {
	running := false
	retry := leastRetry
	said := ""
	for ctx.Err() == nil {
		if !running {
			select {
			case <-ctx.Done():
				return
			case running = <-p.running:
				continue
			}
		}
		got, err := request(ctx, p.name, host)
		if err != nil {
			if ctx.Err() == nil && err.Error() != said {
				said = err.Error()
				k.Log.Warn("no address by DHCP yet", "interface", p.name, "err", err)
			}
			running = k.pause(ctx, p, running, retry)
			retry = min(2*retry, mostRetry)
			continue
		}
		said, retry = "", leastRetry
		k.apply(p, stateOf(got.ACK))
		running = k.renew(ctx, p, host, got, running)
	}
}

// renew keeps a lease until it has run out or was taken back, or ctx ends.
func (k *Keeper) renew(ctx context.Context, p *port, host string, got *nclient4.Lease, running bool) bool {
	length := lengthOf(got.ACK)
	end := time.Now().Add(length)
	wait := length / 2 // T1 (RFC 2131 §4.4.5)
	for {
		running = k.pause(ctx, p, running, jitter(wait))
		if ctx.Err() != nil {
			return running
		}
		if running { // a link that just came may be another network's
			renewed, err := renewal(ctx, p.name, host, got)
			if ctx.Err() != nil {
				return running
			}
			if nak := new(nclient4.ErrNak); errors.As(err, &nak) {
				k.Log.Warn("DHCP server took the address back", "interface", p.name)
				k.apply(p, state{})
				return running
			}
			if err == nil {
				got = renewed
				length = lengthOf(got.ACK)
				end, wait = time.Now().Add(length), length/2
				k.apply(p, stateOf(got.ACK))
				continue
			}
			k.Log.Warn("address by DHCP is not renewed yet", "interface", p.name, "err", err)
		}
		left := time.Until(end)
		if left <= 0 {
			k.apply(p, state{})
			return running
		}
		wait = max(min(left/2, left), min(leastLease, left))
	}
}

// pause waits a while, or until there is a link again. It gives whether there is one.
func (k *Keeper) pause(ctx context.Context, p *port, running bool, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return running
		case <-timer.C:
			return running
		case now := <-p.running:
			came := now && !running
			running = now
			if came {
				return running
			}
		}
	}
}

func jitter(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/10+1)) }

// request gets a lease. The socket is only open while it is needed: it hears every packet.
func request(ctx context.Context, name, host string) (*nclient4.Lease, error) {
	c, err := nclient4.New(name, nclient4.WithTimeout(time.Second), nclient4.WithRetry(4))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Request(ctx, about(host)...)
}

func renewal(ctx context.Context, name, host string, l *nclient4.Lease) (*nclient4.Lease, error) {
	c, err := nclient4.New(name, nclient4.WithTimeout(2*time.Second), nclient4.WithRetry(3))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Renew(ctx, l, about(host)...)
}

func about(host string) []dhcpv4.Modifier {
	return []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptHostName(host)),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionDomainName),
	}
}

func lengthOf(ack *dhcpv4.DHCPv4) time.Duration {
	return max(ack.IPAddressLeaseTime(defaultLease), leastLease)
}

// stateOf reads a server's answer; what is wrong in it is left out.
func stateOf(ack *dhcpv4.DHCPv4) state {
	var s state
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok {
		return s
	}
	bits := 0
	if mask := ack.SubnetMask(); mask != nil {
		bits, _ = mask.Size()
	}
	if bits == 0 {
		bits, _ = ack.YourIPAddr.DefaultMask().Size()
	}
	s.address = netip.PrefixFrom(addr, bits)
	for _, ip := range ack.Router() {
		if router, ok := netip.AddrFromSlice(ip.To4()); ok && !router.IsUnspecified() {
			s.gateway = router
			break
		}
	}
	for _, ip := range ack.DNS() {
		if server, ok := netip.AddrFromSlice(ip.To4()); ok && !server.IsUnspecified() && len(s.servers) < 3 {
			s.servers = append(s.servers, server)
		}
	}
	if d := ack.DomainName(); domain(d) {
		s.domain = d
	}
	return s
}

// domain says whether a name that a stranger sent can stand in a file of lines and words.
func domain(name string) bool {
	return name != "" && len(name) <= 253 && strings.IndexFunc(name, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '-')
	}) < 0
}
