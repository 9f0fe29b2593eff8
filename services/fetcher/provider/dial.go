package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"postroom/services/resolver"
	"postroom/services/settings"
	"postroom/services/wire"
)

var errNoAddress = errors.New("the name has no address")

// Unreachable says that no way to a provider led anywhere.
type Unreachable struct {
	Host    string
	Address string // address and port; empty: none was found
	Cause   error
}

func (e *Unreachable) Error() string {
	if e.Address == "" {
		return fmt.Sprintf("reach %q: %v", e.Host, e.Cause)
	}
	return fmt.Sprintf("reach %q at %s: %v", e.Host, e.Address, e.Cause)
}

func (e *Unreachable) Unwrap() error { return e.Cause }

// Dialer opens sessions with providers. Its zero value uses network.dns, the system's network and roots.
type Dialer struct {
	Log     *slog.Logger                                                         // nil: none
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)         // nil: network.dns, else the system's
	Connect func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
	Roots   *x509.CertPool                                                       // beside which a profile's own count; nil: the system's
}

// Open reaches a provider by the rule and within the times of s, up to where it waits for a login. ctx's end interrupts the session
// at any time. The errors are *NotAllowed, *Unreachable, *Refusal (of the greeting), those of the certificate and
// of the dialogue; Explain has words for each.
func (d *Dialer) Open(ctx context.Context, s *settings.Settings, t Target) (*Conn, error) {
	connecting, cancel := context.WithTimeout(ctx, s.Fetch.ConnectTimeout)
	defer cancel()
	resolve := d.Resolve
	if resolve == nil {
		resolve = resolver.New(s.Network.DNS, false).LookupNetIP
	}
	r, err := plan(connecting, s, t, resolve)
	if err != nil {
		return nil, err
	}
	times := wire.Timeouts{Command: s.Fetch.CommandTimeout, Transfer: transferTimeout}
	var tried []error
	for i, w := range r.ways {
		c, err := d.try(ctx, share(connecting, len(r.ways)-i), times, t.Host, r.profile, w)
		if err == nil {
			return c, nil
		}
		tried = append(tried, err)
		if !goOn(err) || ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, mostTelling(tried)
}

// goOn tells whether the next way may be tried: not where a provider answered with something that a person
// has to know.
func goOn(err error) bool {
	var unreachable *Unreachable
	return errors.As(err, &unreachable)
}

// mostTelling picks, of the errors of several ways, the first that isn't just a closed port.
func mostTelling(tried []error) error {
	for _, err := range tried {
		if !goOn(err) {
			return err
		}
	}
	return tried[0]
}

// share gives the time until which the first of n ways may use up what is left of ctx's.
func share(ctx context.Context, n int) time.Time {
	end, _ := ctx.Deadline()
	return time.Now().Add(time.Until(end) / time.Duration(n))
}

// try opens a session one way.
func (d *Dialer) try(ctx context.Context, by time.Time, times wire.Timeouts, host string, p settings.Provider, w way) (*Conn, error) {
	connecting, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	nc, err := d.connect(connecting, host, w.addresses)
	if err != nil {
		return nil, err
	}
	log := d.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{host: host, log: log, wire: wire.NewConn(nc, times)}
	c.ended = func() error { return context.Cause(ctx) }
	c.unctx = context.AfterFunc(ctx, c.wire.Interrupt)
	if err := c.open(connecting, d.tls(host, p), w.tls); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// connect dials the addresses one after another.
func (d *Dialer) connect(ctx context.Context, host string, addresses []netip.AddrPort) (net.Conn, error) {
	dial := d.Connect
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var first error
	for i, address := range addresses {
		one, cancel := context.WithDeadline(ctx, share(ctx, len(addresses)-i))
		nc, err := dial(one, "tcp", address.String())
		cancel()
		if err == nil {
			return nc, nil
		}
		if first == nil {
			first = &Unreachable{Host: host, Address: address.String(), Cause: err}
		}
	}
	return nil, first
}

// open does what comes before the login: TLS where it's implicit, the greeting, CAPA, STLS where it's required.
func (c *Conn) open(connecting context.Context, config *tls.Config, mode settings.TLSMode) error {
	if mode == settings.TLSImplicit {
		keep := context.AfterFunc(connecting, c.wire.Interrupt)
		err := c.wire.StartTLSClient(config)
		if !keep() && err == nil {
			err = wire.ErrInterrupted
		}
		var certificate *tls.CertificateVerificationError
		if err != nil && !errors.As(err, &certificate) && c.ended() == nil {
			return &Unreachable{Host: c.host, Address: c.Address(), Cause: err}
		}
		if err != nil {
			return c.failed("TLS", err)
		}
	}
	if err := c.status(); err != nil {
		return err
	}
	if err := c.askCapa(); err != nil {
		return err
	}
	if mode == settings.TLSSTLS {
		return c.startTLS(config)
	}
	return nil
}

func (d *Dialer) tls(host string, p settings.Provider) *tls.Config {
	roots := p.Roots()
	if roots == nil {
		roots = d.Roots
	}
	return &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
}
