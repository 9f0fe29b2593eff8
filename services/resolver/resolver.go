// Package resolver looks up names at the DNS servers of the settings.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postroom/services/settings"
)

// patience is how long a server may take while there is another to ask.
const patience = 5 * time.Second

// Resolver asks one server after the other, the one first that answered last. "There is none" is an answer; a server that
// fails, refuses or says nothing is passed over. It is safe to use from many goroutines.
type Resolver struct {
	each  []*net.Resolver
	first *atomic.Int32 // in each
}

// firsts has, for the text of each list of servers, the place of the one that answered last (*atomic.Int32): a dead one costs its
// time once, not once for each Resolver.
var firsts sync.Map

// New asks servers, or those of the system where there are none. A strict one says so when one of a name's two kinds of address
// could not be looked up; one that isn't gives the other kind.
func New(servers []settings.Server, strict bool) *Resolver {
	first, _ := firsts.LoadOrStore(fmt.Sprint(servers), new(atomic.Int32))
	r := &Resolver{first: first.(*atomic.Int32)}
	for _, server := range servers {
		r.each = append(r.each, &net.Resolver{PreferGo: true, StrictErrors: strict, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.String())
		}})
	}
	if len(servers) == 0 {
		r.each = []*net.Resolver{{PreferGo: true, StrictErrors: strict}}
	}
	return r
}

// LookupNetIP gives the addresses of a host in the order in which they are to be tried (RFC 6724). The name is complete: no search
// domain is put behind it. For errors see NotFound.
func (r *Resolver) LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := ask(ctx, r, func(ctx context.Context, one *net.Resolver) ([]netip.Addr, error) {
		return one.LookupNetIP(ctx, "ip", complete(host))
	})
	var list []netip.Addr
	for _, addr := range found {
		if addr = addr.Unmap(); !slices.Contains(list, addr) {
			list = append(list, addr)
		}
	}
	return list, err
}

// LookupMX gives a domain's MX records, the best first; a null MX (RFC 7505) is one of host ".". For errors see NotFound.
func (r *Resolver) LookupMX(ctx context.Context, domain string) ([]*net.MX, error) {
	return ask(ctx, r, func(ctx context.Context, one *net.Resolver) ([]*net.MX, error) {
		return one.LookupMX(ctx, complete(domain))
	})
}

// NotFound says that a server answered: there is no such name, or nothing of that kind by it. Any other error may pass.
func NotFound(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsNotFound
}

func complete(name string) string { return strings.TrimSuffix(name, ".") + "." }

func ask[T any](ctx context.Context, r *Resolver, look func(context.Context, *net.Resolver) (T, error)) (answer T, err error) {
	first := int(r.first.Load())
	for i := range r.each {
		at := (first + i) % len(r.each)
		limited, cancel := ctx, context.CancelFunc(func() {})
		if i < len(r.each)-1 {
			limited, cancel = context.WithTimeout(ctx, patience)
		}
		answer, err = look(limited, r.each[at])
		cancel()
		if err == nil || NotFound(err) {
			r.first.Store(int32(at))
			break
		}
		if ctx.Err() != nil {
			break
		}
	}
	return answer, err
}
