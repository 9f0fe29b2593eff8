package settings

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// written is the default as people know it: every name, and the value that holds where the file is silent.
const written = `
[appliance]
name = "postroom"
zone = "UTC"
time_servers = ["pool.ntp.org"]

[network]
address = "dhcp"
gateway = ""
dns = []

[tls]
certificate = ""
key = ""

[pop3]
listen = [":110"]
listen_tls = [":995"]
plaintext_login = "trusted"
delivery = "next-poll"
hold = "20s"
retrieved = "expire"
keep_retrieved = "336h"
failed_logins_per_minute = 10
max_connections = 2000
max_connections_per_address = 0

[fetch]
schedule = "5m"
idle_after = "168h"
parallel = 32
connect_timeout = "30s"
command_timeout = "5m"
retry_first = "30s"
retry_longest = "2h"
max_size = "100MiB"

[enrol]
networks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"]
providers = "public"

[users]
pseudo_domain = "pop3proxy.reddoxx"
licences = 50

[smtp]
listen = [":25"]
listen_submission = [":587"]
listen_tls = [":465"]
max_size = "50MiB"
max_recipients = 1000
mails_per_minute = 0
require_auth = []
own_addresses_only = false
hide_client = false
notify_delay = "1h30m"
give_up = "120h"
max_connections = 1000
max_connections_per_address = 0

[console]
listen = [":443"]
`

const writtenBlocks = `
[[provider]]
host = "pop3.example.org"
address = ""
ports = []
tls = "implicit"
ca = ""
delete = "at-once"
min_interval = "1m"
submission = ""

[[trusted_network]]
name = "office"
cidr = "192.168.1.0/24"
`

func mustParse(t testing.TB, text string) *Settings {
	t.Helper()
	s, err := Parse("postroom.toml", []byte(text))
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return s
}

func TestDefaultIsWhatAFileWithAllOfItSays(t *testing.T) {
	t.Parallel()
	for name, got := range map[string]*Settings{
		"the empty file":    mustParse(t, ""),
		"every value given": mustParse(t, written),
	} {
		if !reflect.DeepEqual(got, Default()) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.Encode(), Default().Encode())
		}
	}
	if got, want := string(Default().Encode()), strings.TrimPrefix(written, "\n"); got != want {
		t.Errorf("Encode of the default:\n%s\nwant\n%s", got, want)
	}
}

func TestDefaultOfABlock(t *testing.T) {
	t.Parallel()
	brief := mustParse(t, "[[provider]]\nhost = 'pop3.example.org'\n[[trusted_network]]\nname='office'\ncidr='192.168.1.0/24'\n")
	whole := mustParse(t, writtenBlocks)
	if !reflect.DeepEqual(brief, whole) {
		t.Errorf("got\n%s\nwant\n%s", brief.Encode(), whole.Encode())
	}
	want := DefaultProvider("pop3.example.org")
	want.BuiltIn = false
	if !reflect.DeepEqual(brief.Providers, []Provider{want}) {
		t.Errorf("got %+v, want %+v", brief.Providers, want)
	}
	if got, want := string(whole.Encode()), strings.TrimPrefix(written, "\n")+writtenBlocks; got != want {
		t.Errorf("Encode:\n%s\nwant\n%s", got, want)
	}
}

func TestHosted(t *testing.T) {
	t.Parallel()
	want := mustParse(t, `
pop3.listen = ["127.0.0.1:1110"]
pop3.listen_tls = ["127.0.0.1:1995"]
smtp.listen = ["127.0.0.1:1025"]
smtp.listen_submission = ["127.0.0.1:1587"]
smtp.listen_tls = ["127.0.0.1:1465"]
console.listen = ["127.0.0.1:8443"]
`)
	if got := Hosted(); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got.Encode(), want.Encode())
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	s := mustParse(t, `
[appliance]
name = "Post.Müller.example."
zone = "Europe/Berlin"
time_servers = ["Time.Example", "192.0.2.1:1123", "2001:db8::1", "[2001:db8::2]:123"]
[network]
address = "192.168.1.5/24"
gateway = "192.168.1.1"
dns = ["192.168.1.1", "[2001:db8::1]:5353"]
[pop3]
listen = [":0", "[::1]:1110", "127.0.0.1:1110", "localhost:0"]
plaintext_login = "always"
hold = "1m30s"
keep_retrieved = "0s"
[fetch]
schedule = "0s"
parallel = 0x10
[enrol]
networks = ["::ffff:192.168.1.0/120", "2001:db8::/32"]
providers = "listed"
[users]
licences = 1_000
[console]
listen = []
[[provider]]
host = "POP3.Gmx.DE."
address = "[::ffff:10.0.2.100]:995"
ports = [2110, "10000-10100"]
tls = "stls"
min_interval = "0s"
[[provider]]
host = "2001:DB8::25"
[[provider]]
host = "::ffff:192.0.2.7"
`)
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"name", s.Appliance.Name, "post.xn--mller-kva.example"},
		{"zone", s.Appliance.Location().String(), "Europe/Berlin"},
		{"time_servers", s.Appliance.TimeServers, []Server{{"time.example", 123}, {"192.0.2.1", 1123}, {"2001:db8::1", 123}, {"2001:db8::2", 123}}},
		{"address", s.Network.Address, netip.MustParsePrefix("192.168.1.5/24")},
		{"dhcp", s.Network.DHCP(), false},
		{"gateway", s.Network.Gateway, netip.MustParseAddr("192.168.1.1")},
		{"dns", s.Network.DNS, []Server{{"192.168.1.1", 53}, {"2001:db8::1", 5353}}},
		{"listen", s.POP3.Listen, []Listen{{"", 0}, {"::1", 1110}, {"127.0.0.1", 1110}, {"localhost", 0}}},
		{"listen as net.Listen wants it", s.POP3.Listen[1].String(), "[::1]:1110"},
		{"plaintext_login", s.POP3.PlaintextLogin, PlaintextAlways},
		{"hold", s.POP3.Hold, 90 * time.Second},
		{"keep_retrieved", s.POP3.KeepRetrieved, time.Duration(0)},
		{"schedule", s.Fetch.Schedule, time.Duration(0)},
		{"parallel", s.Fetch.Parallel, 16},
		{"networks", s.Enrol.Networks, []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
		{"providers", s.Enrol.Providers, ProvidersListed},
		{"licences", s.Users.Licences, 1000},
		{"console", s.Console.Listen, []Listen{}},
		{"provider", s.Providers[0], Provider{
			Host: "pop3.gmx.de", Address: netip.MustParseAddrPort("10.0.2.100:995"),
			Ports: []PortRange{{2110, 2110}, {10000, 10100}}, TLS: TLSSTLS, Delete: DeleteAtOnce,
		}},
		{"IPv6 provider", s.Providers[1].Host, "2001:db8::25"},
		{"mapped provider", s.Providers[2].Host, "192.0.2.7"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestProvider(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "[[provider]]\nhost='pop3.gmx.de'\ntls='none'\nports=[2110, '5000-5002']\n")
	for _, host := range []string{"pop3.gmx.de", "POP3.GMX.de", "pop3.gmx.de."} {
		if p := s.Provider(host); p.BuiltIn || p.TLS != TLSNone {
			t.Errorf("Provider(%q) = %+v, want the profile", host, p)
		}
	}
	other := s.Provider("pop3.WEB.de")
	if !reflect.DeepEqual(other, DefaultProvider("pop3.web.de")) || !other.BuiltIn {
		t.Errorf("Provider of a host without profile: %+v", other)
	}
	for port, want := range map[uint16]bool{110: true, 995: true, 2110: true, 5000: true, 5002: true, 5003: false, 0: false, 25: false} {
		if got := s.Provider("pop3.gmx.de").AllowsPort(port); got != want {
			t.Errorf("AllowsPort(%d) = %v, want %v", port, got, want)
		}
		if got, want := other.AllowsPort(port), port == 110 || port == 995; got != want {
			t.Errorf("built-in: AllowsPort(%d) = %v, want %v", port, got, want)
		}
	}
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "[[trusted_network]]\nname='office'\ncidr='192.0.2.0/24'\n[[trusted_network]]\nname='lab'\ncidr='fe80::/10'\n")
	for _, c := range []struct {
		addr           string
		enrol, trusted bool
	}{
		{"192.168.1.9", true, false},
		{"::ffff:192.168.1.9", true, false},
		{"172.32.0.1", false, false},
		{"127.0.0.1", true, false},
		{"::1", true, false},
		{"fd12::1", true, false},
		{"2001:db8::1", false, false},
		{"192.0.2.77", false, true},
		{"::ffff:192.0.2.77", false, true},
		{"fe80::1%eth0", false, true},
	} {
		addr := netip.MustParseAddr(c.addr)
		if got := s.MayEnrol(addr); got != c.enrol {
			t.Errorf("MayEnrol(%s) = %v, want %v", addr, got, c.enrol)
		}
		if got := s.Trusted(addr); got != c.trusted {
			t.Errorf("Trusted(%s) = %v, want %v", addr, got, c.trusted)
		}
		if got := s.MayLogInPlain(addr); got != c.trusted {
			t.Errorf("trusted: MayLogInPlain(%s) = %v, want %v", addr, got, c.trusted)
		}
	}
	for value, want := range map[string]bool{"never": false, "always": true} {
		s := mustParse(t, "[pop3]\nplaintext_login = '"+value+"'\n[[trusted_network]]\nname='o'\ncidr='192.0.2.0/24'")
		if got := s.MayLogInPlain(netip.MustParseAddr("192.0.2.1")); got != want {
			t.Errorf("%s: MayLogInPlain = %v, want %v", value, got, want)
		}
	}
}

// What retrieved means, in the file and for a single account, and that it is written as it was read.
func TestRetrieved(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		retrieved Retrieved
		after     time.Duration
		ok        bool
	}{
		"expire":     {RetrievedExpire, 0, true},
		"until-dele": {RetrievedUntilDele, 0, false},
		"720h":       {Retrieved(720 * time.Hour), 720 * time.Hour, true},
	} {
		r := mustParse(t, "[pop3]\nretrieved='"+text+"'").POP3.Retrieved
		after, ok := r.After()
		if r != want.retrieved || after != want.after || ok != want.ok || r.String() != text {
			t.Errorf("%s: got %v: %v, %v; want %v: %v, %v", text, r, after, ok, want.retrieved, want.after, want.ok)
		}
		if own, err := ParseRetrieved(text); err != nil || own != r {
			t.Errorf("%s for an account: got %v, %v", text, own, err)
		}
	}
	if _, err := ParseRetrieved("30d"); err == nil || err.Error() != `"30d" is not a duration; write days in hours: "720h"` {
		t.Errorf("30d for an account: got %v", err)
	}
}

// What a policy or a size means, and that it is written as it was read.
func TestDeletePolicyAndSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		policy DeletePolicy
		after  time.Duration
		ok     bool
	}{
		"at-once": {DeleteAtOnce, 0, true},
		"never":   {DeleteNever, 0, false},
		"1h30m":   {DeletePolicy(90 * time.Minute), 90 * time.Minute, true},
		"336h":    {DeletePolicy(336 * time.Hour), 336 * time.Hour, true},
	} {
		p := mustParse(t, "[[provider]]\nhost='p.example'\ndelete='"+text+"'").Providers[0].Delete
		after, ok := p.After()
		if p != want.policy || after != want.after || ok != want.ok || p.String() != text {
			t.Errorf("%s: got %v: %v, %v; want %v: %v, %v", text, p, after, ok, want.policy, want.after, want.ok)
		}
	}
	for text, want := range map[string]struct {
		size  Size
		shown string
	}{"64KiB": {64 << 10, "64KiB"}, "500 KiB": {500 << 10, "500KiB"}, "1024KiB": {1 << 20, "1MiB"}, "1GiB": {1 << 30, "1GiB"}} {
		if got := mustParse(t, "fetch.max_size='"+text+"'").Fetch.MaxSize; got != want.size || got.String() != want.shown {
			t.Errorf("%s: got %d, %s; want %d, %s", text, got, got, want.size, want.shown)
		}
	}
}
