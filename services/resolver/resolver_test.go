package resolver

import (
	"context"
	"fmt"
	"net"
	"testing"

	"postroom/services/resolver/nameserver"
	"postroom/services/settings"

	"github.com/miekg/dns"
)

var zone = &nameserver.Server{
	Records: []string{"two.example. A 192.0.2.1", "two.example. AAAA 2001:db8::1", "half.example. A 192.0.2.2", "mail.example. MX 10 two.example.",
		"null.example. MX 0 ."},
	Codes: map[string]int{"half.example. AAAA": dns.RcodeServerFailure},
}

// broken fails whatever it is asked.
var broken = &nameserver.Server{Codes: map[string]int{"two.example.": dns.RcodeServerFailure, "mail.example.": dns.RcodeRefused, "nowhere.example.": dns.RcodeServerFailure}}

// silent takes questions and says nothing.
func silent(t *testing.T) settings.Server {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return settings.Server{Host: "127.0.0.1", Port: uint16(c.LocalAddr().(*net.UDPAddr).Port)}
}

// Whatever is wrong with the servers before it, the one that answers is found, also where both kinds of address are asked for at once.
func TestNextServer(t *testing.T) {
	t.Parallel()
	closed := settings.Server{Host: "127.0.0.1", Port: 1}
	right := zone.Listen(t)
	for name, servers := range map[string][]settings.Server{
		"alone":              {right},
		"behind a closed":    {closed, right},
		"behind a broken":    {broken.Listen(t), right},
		"behind a silent":    {silent(t), right},
		"behind three":       {closed, broken.Listen(t), closed, right},
		"before a closed":    {right, closed},
		"between two closed": {closed, right, closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New(servers, true)
			for range 5 {
				if list, err := r.LookupNetIP(t.Context(), "two.example"); err != nil || len(list) != 2 {
					t.Fatalf("%v, %v", list, err)
				}
				if list, err := r.LookupMX(t.Context(), "mail.example."); err != nil || len(list) != 1 || list[0].Host != "two.example." {
					t.Fatalf("%v, %v", list, err)
				}
				if list, err := r.LookupNetIP(t.Context(), "nowhere.example"); !NotFound(err) || len(list) != 0 {
					t.Fatalf("%v, %v", list, err)
				}
			}
		})
	}
}

// A server that answered is asked first the next time, by whom ever; a changed list begins with its first.
func TestRemembers(t *testing.T) {
	t.Parallel()
	closed, right := settings.Server{Host: "127.0.0.1", Port: 1}, zone.Listen(t)
	if _, err := New([]settings.Server{closed, right}, false).LookupMX(t.Context(), "null.example"); err != nil {
		t.Fatal(err)
	}
	if first := New([]settings.Server{closed, right}, true).first.Load(); first != 1 {
		t.Errorf("first %d", first)
	}
	if first := New([]settings.Server{right, closed}, true).first.Load(); first != 0 {
		t.Errorf("first of another list %d", first)
	}
}

func TestNoServerAnswers(t *testing.T) {
	t.Parallel()
	r := New([]settings.Server{{Host: "127.0.0.1", Port: 1}, broken.Listen(t)}, false)
	if list, err := r.LookupNetIP(t.Context(), "two.example"); err == nil || NotFound(err) {
		t.Errorf("%v, %v", list, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if list, err := r.LookupNetIP(ended, "two.example"); err == nil || NotFound(err) {
		t.Errorf("%v, %v", list, err)
	}
}

func TestStrict(t *testing.T) {
	t.Parallel()
	server := []settings.Server{zone.Listen(t)}
	if list, err := New(server, false).LookupNetIP(t.Context(), "half.example"); err != nil || fmt.Sprint(list) != "[192.0.2.2]" {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := New(server, true).LookupNetIP(t.Context(), "half.example"); err == nil || NotFound(err) {
		t.Errorf("%v, %v", list, err)
	}
}
