package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"postroom/services/settings"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	const host = "pop.example.org"
	profile := func(change func(*settings.Provider)) *settings.Provider {
		p := settings.DefaultProvider(host)
		p.BuiltIn = false
		change(&p)
		return &p
	}
	cases := []struct {
		name      string
		profile   *settings.Provider
		listed    bool
		enrolling bool
		target    Target
		addresses []string
		want      string // ways: address/mode, separated by spaces; or the reason's beginning behind "!"
	}{
		{name: "no profile", addresses: []string{"8.8.8.8"}, want: "8.8.8.8:995/implicit 8.8.8.8:110/stls"},
		{name: "995 typed", target: Target{Port: 995}, addresses: []string{"8.8.8.8"}, want: "8.8.8.8:995/implicit"},
		{name: "110 typed", target: Target{Port: 110}, addresses: []string{"8.8.8.8"}, want: "8.8.8.8:110/stls"},
		{name: "another port typed", target: Target{Port: 25}, addresses: []string{"8.8.8.8"}, want: "!port 25 is not allowed"},
		{name: "both families", addresses: []string{"8.8.8.8", "1.1.1.1", "2a00::1", "8.8.8.8"}, target: Target{Port: 995},
			want: "[2a00::1]:995,8.8.8.8:995,1.1.1.1:995/implicit"},
		{name: "private", addresses: []string{"192.168.1.1"}, want: `!"pop.example.org" has the address 192.168.1.1`},
		{name: "one of them private", addresses: []string{"8.8.8.8", "::1"}, want: `!"pop.example.org" has the address ::1`},
		{name: "mapped", addresses: []string{"::ffff:127.0.0.1"}, want: `!"pop.example.org" has the address 127.0.0.1`},
		{name: "none", want: "!reach"},
		{name: "an address as the host", target: Target{Host: "9.9.9.9", Port: 995}, want: "9.9.9.9:995/implicit"},
		{name: "a private address as the host", target: Target{Host: "10.1.1.1"}, want: `!"10.1.1.1" has the address`},
		{name: "listed, and it isn't", listed: true, enrolling: true, addresses: []string{"8.8.8.8"}, want: `!"pop.example.org" is not among`},
		{name: "listed, an account that is known", listed: true, addresses: []string{"8.8.8.8"}, want: "8.8.8.8:995/implicit 8.8.8.8:110/stls"},
		{name: "listed, and it is", listed: true, enrolling: true, profile: profile(func(*settings.Provider) {}), addresses: []string{"8.8.8.8"}, want: "8.8.8.8:995/implicit"},
		{name: "profile without TLS", profile: profile(func(p *settings.Provider) { p.TLS = settings.TLSNone }), addresses: []string{"8.8.8.8"}, want: "8.8.8.8:110/none"},
		{name: "profile with STLS, whatever was typed", profile: profile(func(p *settings.Provider) { p.TLS = settings.TLSSTLS }),
			target: Target{Port: 995}, addresses: []string{"8.8.8.8"}, want: "8.8.8.8:110/stls"},
		{name: "profile doesn't make a private address good", profile: profile(func(*settings.Provider) {}), addresses: []string{"10.0.0.1"}, want: `!"pop.example.org" has`},
		{name: "profile with an address", profile: profile(func(p *settings.Provider) { p.Address = netip.MustParseAddrPort("127.0.0.1:4000") }),
			target: Target{Port: 110}, want: "127.0.0.1:4000/implicit"},
		{name: "profile with a port", profile: profile(func(p *settings.Provider) { p.Ports = []settings.PortRange{{First: 2000, Last: 2010}} }),
			target: Target{Port: 2005}, addresses: []string{"8.8.8.8"}, want: "8.8.8.8:2005/implicit"},
		{name: "profile without that port", profile: profile(func(p *settings.Provider) { p.Ports = []settings.PortRange{{First: 2000, Last: 2010}} }),
			target: Target{Port: 2011}, addresses: []string{"8.8.8.8"}, want: "!port 2011 is not allowed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := settings.Default()
			if c.listed {
				s.Enrol.Providers = settings.ProvidersListed
			}
			if c.profile != nil {
				s.Providers = []settings.Provider{*c.profile}
			}
			c.target.Enrolling = c.enrolling
			if c.target.Host == "" {
				c.target.Host = host
			}
			looked := 0
			r, err := plan(t.Context(), s, c.target, func(_ context.Context, name string) ([]netip.Addr, error) {
				looked++
				var all []netip.Addr
				for _, a := range c.addresses {
					all = append(all, netip.MustParseAddr(a))
				}
				return all, nil
			})
			var ways []string
			for _, w := range r.ways {
				var at []string
				for _, a := range w.addresses {
					at = append(at, a.String())
				}
				ways = append(ways, strings.Join(at, ",")+"/"+string(w.tls))
			}
			got := strings.Join(ways, " ")
			if err != nil {
				got = "!" + err.Error()
			}
			if got != c.want && !(strings.HasPrefix(c.want, "!") && strings.HasPrefix(got, c.want)) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if looked > 1 {
				t.Errorf("the name was resolved %d times", looked)
			}
		})
	}
}

// TestCheckedAddressIsDialled: the name isn't looked up again between the check and the connection.
func TestCheckedAddressIsDialled(t *testing.T) {
	t.Parallel()
	var dialled []string
	d := Dialer{
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("1.1.1.1")}, nil
		},
		Connect: func(_ context.Context, network, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, errors.New("closed")
		},
	}
	_, err := d.Open(t.Context(), settings.Default(), Target{Host: "pop.example.org"})
	if got, want := fmt.Sprint(dialled), "[8.8.8.8:995 1.1.1.1:995 8.8.8.8:110 1.1.1.1:110]"; got != want {
		t.Errorf("dialled %s, want %s", got, want)
	}
	if got, want := Explain("pop.example.org", err), `no connection to "pop.example.org": 8.8.8.8:995: closed`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
