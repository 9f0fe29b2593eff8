package network

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postroom/services/settings"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestStateOf(t *testing.T) {
	t.Parallel()
	ip := func(text string) net.IP { return net.ParseIP(text) }
	for _, c := range []struct {
		name      string
		modifiers []dhcpv4.Modifier
		want      state
	}{
		{"everything", []dhcpv4.Modifier{
			dhcpv4.WithYourIP(ip("192.168.1.5")), dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithRouter(ip("192.168.1.1")),
			dhcpv4.WithDNS(ip("192.168.1.1"), ip("9.9.9.9")), dhcpv4.WithOption(dhcpv4.OptDomainName("lan.example")),
		}, state{
			address: netip.MustParsePrefix("192.168.1.5/24"), gateway: netip.MustParseAddr("192.168.1.1"),
			servers: []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("9.9.9.9")}, domain: "lan.example",
		}},
		{"an address alone", []dhcpv4.Modifier{dhcpv4.WithYourIP(ip("10.1.2.3"))}, state{address: netip.MustParsePrefix("10.1.2.3/8")}},
		{"a domain with a line in it", []dhcpv4.Modifier{
			dhcpv4.WithYourIP(ip("10.1.2.3")), dhcpv4.WithOption(dhcpv4.OptDomainName("x\nnameserver 6.6.6.6")),
		}, state{address: netip.MustParsePrefix("10.1.2.3/8")}},
	} {
		ack, err := dhcpv4.New(c.modifiers...)
		if err != nil {
			t.Fatal(err)
		}
		if got := stateOf(ack); !got.equal(c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestLengthOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ says, want time.Duration }{{0, leastLease}, {24 * time.Hour, 24 * time.Hour}} {
		ack, err := dhcpv4.New(dhcpv4.WithLeaseTime(uint32(c.says.Seconds())))
		if err != nil {
			t.Fatal(err)
		}
		if got := lengthOf(ack); got != c.want {
			t.Errorf("a lease of %v counts as %v, want %v", c.says, got, c.want)
		}
	}
}

func TestResolvConf(t *testing.T) {
	t.Parallel()
	states := map[string]state{
		"eth1": {servers: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}},
		"eth0": {servers: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, domain: "lan"},
	}
	for _, c := range []struct {
		name string
		set  []settings.Server
		want string
	}{
		{"of the interfaces", nil, "search lan\nnameserver 10.0.0.1\nnameserver fd00::1\n"},
		{"of the settings", []settings.Server{{Host: "9.9.9.9", Port: 53}, {Host: "127.0.0.1", Port: 5353}}, "search lan\nnameserver 9.9.9.9\n"},
	} {
		if got := resolvConf(c.set, states); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestReplaceFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "resolv.conf")
	for _, text := range []string{"one", "another"} {
		if err := replaceFile(name, text); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("file holds %q, %v, want %q", got, err, text)
		}
	}
}

func TestDefaultRouteToARouterOutsideTheNetwork(t *testing.T) {
	t.Parallel()
	gateway := netip.MustParseAddr("169.254.1.1")
	r := defaultRoute(2, state{address: netip.MustParsePrefix("10.0.0.5/32"), gateway: gateway})
	if r.Flags == 0 || r.Gw.String() != gateway.String() {
		t.Errorf("route %+v, want one that is on the link", r)
	}
}
