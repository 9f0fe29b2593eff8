package mx_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"postroom/services/resolver/nameserver"
	"postroom/services/settings"
	"postroom/services/smtp/mx"

	"github.com/miekg/dns"
)

var zone = &nameserver.Server{
	Records: []string{
		"two.example. MX 20 second.two.example.", "two.example. MX 10 First.Two.Example.",
		"first.two.example. A 192.0.2.1", "second.two.example. A 192.0.2.2",
		"dual.example. MX 10 mx.dual.example.", "mx.dual.example. A 192.0.2.3", "mx.dual.example. AAAA 2001:db8::3",
		"six.example. MX 10 mx.six.example.", "mx.six.example. AAAA 2001:db8::6",
		"none.example. A 192.0.2.4",
		"none6.example. AAAA 2001:db8::4",
		"txt.example. TXT nothing-else",
		"null.example. MX 0 .", "null.example. A 192.0.2.5",
		"lost.example. MX 10 nowhere.example.", "lost.example. A 192.0.2.5",
		"half.example. MX 10 nowhere.example.", "half.example. MX 20 first.two.example.",
		"broken.example. MX 10 broken-host.example.",
		"mixed.example. MX 10 broken-host.example.", "mixed.example. MX 20 nowhere.example.",
		"backup.example. MX 10 first.two.example.", "backup.example. MX 20 box.example.", "backup.example. MX 30 second.two.example.",
		"peers.example. MX 10 first.two.example.", "peers.example. MX 20 second.two.example.", "peers.example. MX 20 box.example.",
		"loop.example. MX 10 Box.Example.", "box.example. A 198.51.100.1",
		"alias.example. MX 10 also.example.", "also.example. A 198.51.100.1",
		"any.example. MX 10 zero.example.", "zero.example. A 0.0.0.0",
		"self.example. A 198.51.100.1",
		"dot.example. MX 10 mx.two.example.", "dot.example. MX 0 .", "mx.two.example. A 192.0.2.7",
		"xn--bcher-kva.example. MX 10 first.two.example.",
		"half6.example. MX 10 mx.half6.example.", "mx.half6.example. A 192.0.2.8",
	},
	Codes: map[string]int{
		"broken-host.example.": dns.RcodeServerFailure, "servfail.example.": dns.RcodeServerFailure, "refused.example.": dns.RcodeRefused,
		"notimpl.example. MX": dns.RcodeNotImplemented, "later.example. MX": dns.RcodeServerFailure, "mx.half6.example. AAAA": dns.RcodeServerFailure,
	},
}

func TestDomain(t *testing.T) {
	t.Parallel()
	r := mx.Resolver{Servers: []settings.Server{zone.Listen(t)}, Name: "box.example",
		Own: func(a netip.Addr) bool { return a == netip.MustParseAddr("198.51.100.1") }}
	for domain, want := range map[string]string{
		"two.example":             "first.two.example [192.0.2.1] second.two.example [192.0.2.2]",
		"dual.example":            "mx.dual.example [192.0.2.3 2001:db8::3]",
		"six.example":             "mx.six.example [2001:db8::6]",
		"none.example":            "none.example [192.0.2.4]",
		"none6.example":           "none6.example [2001:db8::4]",
		"txt.example":             "5.1.2",
		"nxdomain.example":        "5.1.2",
		"null.example":            "5.1.10",
		"lost.example":            "5.4.4", // the implicit MX is for domains without any (RFC 5321 §5.1)
		"half.example":            "first.two.example [192.0.2.1]",
		"broken.example":          "4.4.3",
		"mixed.example":           "4.4.3",
		"servfail.example":        "4.4.3",
		"later.example":           "4.4.3",
		"refused.example":         "4.4.3",
		"notimpl.example":         "4.4.3",
		"half6.example":           "4.4.3",
		"backup.example":          "first.two.example [192.0.2.1]",
		"peers.example":           "first.two.example [192.0.2.1]",
		"loop.example":            "5.4.6",
		"alias.example":           "5.4.6",
		"any.example":             "5.4.6",
		"self.example":            "5.4.6",
		"dot.example":             "mx.two.example [192.0.2.7]",
		"xn--bcher-kva.example":   "first.two.example [192.0.2.1]",
		"[192.0.2.9]":             "[192.0.2.9] [192.0.2.9]",
		"[IPv6:2001:db8::9]":      "[IPv6:2001:db8::9] [2001:db8::9]",
		"[IPv6:::ffff:192.0.2.9]": "[IPv6:::ffff:192.0.2.9] [192.0.2.9]",
		"[198.51.100.1]":          "5.4.6",
		"[0.0.0.0]":               "5.4.6",
		"[fe80::1%eth0]":          "5.1.3",
		"[mail.example]":          "5.1.3",
		"[]":                      "5.1.3",
	} {
		hosts, err := r.Domain(t.Context(), domain)
		var got []string
		for _, h := range hosts {
			addresses := fmt.Sprint(h.Addresses)
			if domain == "dual.example" && addresses == "[2001:db8::3 192.0.2.3]" {
				addresses = "[192.0.2.3 2001:db8::3]" // in the order of this machine's networks
			}
			got = append(got, h.Name+" "+addresses)
		}
		var f *mx.Failure
		if errors.As(err, &f) {
			got = append(got, f.Status)
			if f.Permanent != strings.HasPrefix(f.Status, "5") || f.Text == "" {
				t.Errorf("%s: %+v", domain, f)
			}
		} else if err != nil {
			t.Errorf("%s: %v", domain, err)
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: got %q, %v; want %q", domain, got, err, want)
		}
	}
}

// Equals come in a random order, so that each gets its part (RFC 5321 §5.1).
func TestRandom(t *testing.T) {
	t.Parallel()
	s := &nameserver.Server{Records: []string{"d.example. MX 20 c.example.", "d.example. MX 10 a.example.", "d.example. MX 10 b.example.",
		"a.example. A 192.0.2.1", "b.example. A 192.0.2.2", "c.example. A 192.0.2.3"}}
	r := mx.Resolver{Servers: []settings.Server{s.Listen(t)}}
	first := map[string]int{}
	for range 60 {
		hosts, err := r.Domain(t.Context(), "d.example")
		if err != nil || len(hosts) != 3 || hosts[2].Name != "c.example" {
			t.Fatalf("%v, %v", hosts, err)
		}
		first[hosts[0].Name]++
	}
	if len(first) != 2 || first["a.example"] < 10 || first["b.example"] < 10 {
		t.Errorf("first: %v", first)
	}
}

// A server with many addresses, and a domain with many servers, are cut short; a relay's name is looked up without its MX.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := &nameserver.Server{Records: []string{"relay.example. A 192.0.2.1", "relay.example. MX 10 other.example."}}
	for i := range 30 {
		s.Records = append(s.Records, fmt.Sprintf("many.example. MX %d mx%d.many.example.", i, i), fmt.Sprintf("mx%d.many.example. A 192.0.2.%d", i, i),
			fmt.Sprintf("wide.example. A 198.51.100.%d", i+1))
	}
	r := mx.Resolver{Servers: []settings.Server{s.Listen(t)}}
	if hosts, err := r.Domain(t.Context(), "many.example"); err != nil || len(hosts) != 10 || hosts[9].Name != "mx9.many.example" {
		t.Errorf("%v, %v", hosts, err)
	}
	if hosts, err := r.Domain(t.Context(), "wide.example"); err != nil || len(hosts) != 1 || len(hosts[0].Addresses) != 8 {
		t.Errorf("%v, %v", hosts, err)
	}
	if list, err := r.Addresses(t.Context(), "relay.example"); err != nil || fmt.Sprint(list) != "[192.0.2.1]" {
		t.Errorf("%v, %v", list, err)
	}
	var f *mx.Failure
	if _, err := r.Addresses(t.Context(), "nowhere.example"); !errors.As(err, &f) || f.Permanent || f.Status != "4.4.4" {
		t.Errorf("a relay that isn't there: %v", err)
	}
}

// A name server that says nothing isn't asked alone.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	closed := settings.Server{Host: "127.0.0.1", Port: 1}
	r := mx.Resolver{Servers: []settings.Server{closed, zone.Listen(t)}}
	if hosts, err := r.Domain(t.Context(), "two.example"); err != nil || len(hosts) != 2 {
		t.Errorf("%v, %v", hosts, err)
	}
}
