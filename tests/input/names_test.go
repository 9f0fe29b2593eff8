package input

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"postroom/tests/hosted"

	"golang.org/x/net/dns/dnsmessage"
)

// closed is a port that nothing listens on: the port multiplexer's (RFC 1078).
var closed = netip.MustParseAddrPort("127.0.0.1:1")

// A login that can't be is refused with what is wrong with it, and leaves nothing behind.
func TestWhatALoginIsRefusedWith(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, unlimited(hosted.Settings(p))+
		fmt.Sprintf("\n[network]\ndns = [%q]\n", nameServer(t))+
		profile("pop3.closed.example", closed, "implicit", "")+
		profile("stls.closed.example", closed, "stls", "")+
		profile("pop3.misnamed.example", p.AddrTLS(), "implicit", p.CA())+
		profile("stls.misnamed.example", p.Addr(), "stls", p.CA())+
		profile("localhost", p.AddrTLS(), "implicit", ""))
	const (
		form     = "the account name needs the form login@provider-host, for example myaccount@gmx.de@pop3.gmx.de"
		noHost   = "what stands behind the last @ isn't a host name or an IP address; the account name needs the form login@provider-host, for example myaccount@gmx.de@pop3.gmx.de"
		badPort  = "the port behind the provider's host is a number from 1 to 65535, for example pop3.gmx.de:995"
		names    = `"localhost pop3.web.de pop3.gmx.de 127.0.0.1"`
		misnamed = "the certificate of %q is not valid for that name, but for " + names
		inside   = "which is not a public one: only a provider block with \"address\" leads there"
	)
	for _, tt := range []struct{ what, name, want string }{
		{"no @", "myaccount", "-ERR [AUTH] " + form},
		{"no host", "myaccount@", "-ERR [AUTH] " + noHost},
		{"no host behind an address", "myaccount@gmx.de@", "-ERR [AUTH] " + noHost},
		{"no login", "@pop3.web.de", "-ERR [AUTH] the login in front of the provider's host is empty, or begins or ends with @ or a space; the account name needs the form login@provider-host"},
		{"no host name", "myaccount@pop3_web!de", "-ERR [AUTH] " + noHost},
		{"port too large", "myaccount@pop3.web.de:99999", "-ERR [AUTH] " + badPort},
		{"port 0", "myaccount@pop3.web.de:0", "-ERR [AUTH] " + badPort},
		{"port that is a word", "myaccount@pop3.web.de:pop3", "-ERR [AUTH] " + badPort},
		{"port that no profile allows", "myaccount@pop3.web.de:2110", `-ERR [AUTH] port 2110 is not allowed for "pop3.web.de": leave the port out`},
		{"IPv6 without brackets", "myaccount@2001:db8::1", "-ERR [AUTH] an IPv6 address behind the last @ is written in brackets, for example [2001:db8::1] or [2001:db8::1]:995, and without a zone"},

		{"closed port", "a@pop3.closed.example", `-ERR [SYS/TEMP] no connection to "pop3.closed.example": 127.0.0.1:1: connection refused`},
		{"closed port for STLS", "a@stls.closed.example", `-ERR [SYS/TEMP] no connection to "stls.closed.example": 127.0.0.1:1: connection refused`},
		{"a name that nobody has", "a@pop3.nobody.example", `-ERR [AUTH] there is no server named "pop3.nobody.example": check what stands behind the last "@"`},
		{"a name without an address", "a@mail.empty.example", `-ERR [AUTH] there is no server named "mail.empty.example": check what stands behind the last "@"`},
		{"names can't be looked up", "a@pop3.broken.example", `-ERR [SYS/TEMP] the name "pop3.broken.example" could not be looked up just now: server misbehaving`},

		{"certificate for other names", "a@pop3.misnamed.example", "-ERR [AUTH] " + fmt.Sprintf(misnamed, "pop3.misnamed.example")},
		{"certificate for other names, by STLS", "a@stls.misnamed.example", "-ERR [AUTH] " + fmt.Sprintf(misnamed, "stls.misnamed.example")},
		{"unknown authority", "a@localhost", `-ERR [AUTH] the certificate of "localhost" comes from an authority that is not trusted here: "CN=Postroom demo authority"`},

		{"loopback address", "a@127.0.0.2", `-ERR [AUTH] "127.0.0.2" has the address 127.0.0.2, ` + inside},
		{"private address", "a@192.168.1.1:110", `-ERR [AUTH] "192.168.1.1" has the address 192.168.1.1, ` + inside},
		{"private IPv6 address", "a@[fd00::1]", `-ERR [AUTH] "fd00::1" has the address fd00::1, ` + inside},
		{"a name that leads inside", "a@pop3.inside.example", `-ERR [AUTH] "pop3.inside.example" has the address 10.1.2.3, ` + inside},
	} {
		if got := curl(t, box, tt.name, "secret"); got != tt.want {
			t.Errorf("%s, %q:\n got %s\nwant %s", tt.what, tt.name, got, tt.want)
		}
	}
	if s := box.Status(); len(s.Accounts) > 0 {
		t.Errorf("accounts came to be: %v", s.Accounts)
	}
}

// nameServer answers for names in the domain of examples: nobody's, empty (no address), broken (SERVFAIL), and
// inside (a private address).
func nameServer(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		c.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for b := make([]byte, 4<<10); ; {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(b[:n]); err != nil || len(m.Questions) != 1 {
				t.Errorf("question to the name server: %v, %d questions", err, len(m.Questions))
				continue
			}
			answer, err := answer(m).Pack()
			if err != nil {
				t.Error(err)
				continue
			}
			c.WriteTo(answer, from)
		}
	}()
	return c.LocalAddr().String()
}

func answer(m dnsmessage.Message) *dnsmessage.Message {
	q := m.Questions[0]
	a := &dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: m.Questions,
	}
	switch name := q.Name.String(); {
	case strings.HasSuffix(name, ".broken.example."):
		a.RCode = dnsmessage.RCodeServerFailure
	case strings.HasSuffix(name, ".empty.example."):
	case strings.HasSuffix(name, ".inside.example."):
		if q.Type == dnsmessage.TypeA {
			a.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{10, 1, 2, 3}},
			}}
		}
	default:
		a.RCode = dnsmessage.RCodeNameError
	}
	return a
}
