package smtp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"postroom/services/settings"
)

// attempts are what open relays were found by: senders, and recipients of which none may be taken from a stranger.
var attempts = []struct{ sender, recipient string }{
	{"<a@example.org>", "<b@example.com>"},
	{"<>", "<b@example.com>"},
	{"<user@pop3proxy.reddoxx>", "<b@example.com>"},
	{"<postmaster@pop3proxy.reddoxx>", "<b@example.com>"},
	{"<a@[127.0.0.1]>", "<b@example.com>"},
	{"<a@[203.0.113.7]>", "<b@example.com>"},
	{"<a@localhost>", "<b@example.com>"},
	{"<login@example.org>", "<b@example.com>"},
	{"<@pop3proxy.reddoxx:a@example.org>", "<b@example.com>"},
	{"<b@example.com>", "<b@example.com>"},
	{"<a@example.org>", "<user@pop3proxy.reddoxx>"},
	{"<>", "<user@pop3proxy.reddoxx>"},
	{"<user@pop3proxy.reddoxx>", "<user@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<postmaster>"},
	{"<a@example.org>", "<postmaster@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<b%example.com@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<b%example.com@[127.0.0.1]>"},
	{"<a@example.org>", "<b%example.com@localhost>"},
	{"<a@example.org>", "<b%example.com@postroom>"},
	{"<a@example.org>", "<b%example.com%pop3proxy.reddoxx@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<b%example.com>"},
	{"<a@example.org>", `<"b@example.com"@pop3proxy.reddoxx>`},
	{"<a@example.org>", `<"b%example.com"@pop3proxy.reddoxx>`},
	{"<a@example.org>", `<"b@example.com">`},
	{"<a@example.org>", `<"b@example.com"@[127.0.0.1]>`},
	{"<a@example.org>", `<"user@pop3proxy.reddoxx"@example.com>`},
	{"<a@example.org>", `<"b\@example.com"@pop3proxy.reddoxx>`},
	{"<a@example.org>", `<"b@example.com>"@pop3proxy.reddoxx>`},
	{"<a@example.org>", `<b\@example.com@pop3proxy.reddoxx>`},
	{"<a@example.org>", "<@pop3proxy.reddoxx:b@example.com>"},
	{"<a@example.org>", "<@[127.0.0.1]:b@example.com>"},
	{"<a@example.org>", "<@localhost:b@example.com>"},
	{"<a@example.org>", "<@a.example,@b.example:b@example.com>"},
	{"<a@example.org>", "<@example.com,@pop3proxy.reddoxx:user@example.com>"},
	{"<a@example.org>", "<@example.com:user@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<@pop3proxy.reddoxx:b%example.com@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<example.com!b>"},
	{"<a@example.org>", "<example.com!b@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<example.com!b@[127.0.0.1]>"},
	{"<a@example.org>", "<pop3proxy.reddoxx!example.com!b@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<b@example.com@pop3proxy.reddoxx>"},
	{"<a@example.org>", "<b@pop3proxy.reddoxx@example.com>"},
	{"<a@example.org>", "<user@pop3proxy.reddoxx,b@example.com>"},
	{"<a@example.org>", "<user@pop3proxy.reddoxx>,<b@example.com>"},
	{"<a@example.org>", "<user@pop3proxy.reddoxx> <b@example.com>"},
	{"<a@example.org>", "<user@pop3proxy.reddoxx;b@example.com>"},
	{"<a@example.org>", "b@example.com"},
	{"<a@example.org>", "user@pop3proxy.reddoxx"},
	{"<a@example.org>", "<<b@example.com>>"},
	{"<a@example.org>", " <b@example.com>"},
	{"<a@example.org>", "<b@example.com> NOTIFY=SUCCESS"},
	{"<a@example.org>", "<b@example.com> ORCPT=rfc822;user@pop3proxy.reddoxx"},
	{"<a@example.org> AUTH=<>", "<b@example.com>"},
	{"<a@example.org> AUTH=login@pop3.example.org", "<b@example.com>"},
	{"<a@example.org> SMTPUTF8", "<ü@example.com>"},
	{"<a@example.org> SMTPUTF8", "<user@pop3proxy.reddoxx\u200b>"},
	{"<a@example.org> SMTPUTF8", "<user@pop3proxy。reddoxx>"},
	{"<a@example.org>", "<b@[192.0.2.1]>"},
	{"<a@example.org>", "<b@[IPv6:::ffff:127.0.0.1]>"},
	{"<a@example.org>", "<b@[IPv6:::1]>"},
	{"<a@example.org>", "<b@[127.0.0.1]>"},
	{"<a@example.org>", "<b@127.0.0.1>"},
	{"<a@example.org>", "<b@2130706433>"},
	{"<a@example.org>", "<b@example.com.>"},
	{"<a@example.org>", "<user@pop3proxy.reddoxx.example.com>"},
	{"<a@example.org>", "<user@POP3PROXY.REDDOXX>"},
	{"<a@example.org>", "<>"},
	{"<a@example.org>", "<*@example.com>"},
	{"<a@example.org>", "<|/bin/sh@pop3proxy.reddoxx>"},
}

// strangers are addresses that are like trusted ones, and aren't.
var strangers = []string{
	outside, "10.0.0.7:1", "192.0.3.7:1", "192.0.1.255:1",
	"[::1]:1", "[::ffff:203.0.113.7]:1", "[::ffff:192.0.3.7]:1",
	"[::192.0.2.7]:1", "[64:ff9b::192.0.2.7]:1", "[2002:c000:207::1]:1", // IPv4 in other forms of IPv6: not what a network of IPv4 means
	"[2001:db8:0:1::1]:1", "[fe80::1%eth0]:1",
}

func relaySettings() *settings.Settings {
	in := settings.Default()
	in.TrustedNetworks = []settings.TrustedNetwork{
		{Name: "office", CIDR: netip.MustParsePrefix("192.0.2.0/24")},
		{Name: "lab", CIDR: netip.MustParsePrefix("2001:db8::/64")},
	}
	return in
}

// A stranger gets no recipient taken, whatever is tried; on each listener, since the protocol behind both is one.
func TestNoOpenRelay(t *testing.T) {
	t.Parallel()
	if len(attempts) < 60 {
		t.Fatalf("%d attempts", len(attempts))
	}
	f := newFakeStore(t)
	f.settings = relaySettings()
	f.own, f.accounts = []string{"login@example.org"}, []string{"login@example.org"}
	synctest.Test(t, func(t *testing.T) {
		server := newTestServer(f)
		for _, address := range strangers {
			for _, hello := range []string{"EHLO", "HELO"} {
				for _, a := range attempts {
					p := pipeTo(t, f, server, address)
					p.ask(hello+" localhost", "250 ")
					p.send("MAIL FROM:" + a.sender + "\r\n")
					p.reply()
					p.send("RCPT TO:" + a.recipient + "\r\n")
					if got := p.reply(); got[0] != '5' {
						t.Errorf("%s: %s from %s: got %q", address, a.recipient, a.sender, got)
					}
					p.send("DATA\r\n")
					if got := p.reply(); got[0] != '5' {
						t.Errorf("%s: %s from %s: DATA: got %q", address, a.recipient, a.sender, got)
					}
					p.send("BDAT 2 LAST\r\n\r\n")
					if got := p.reply(); got[0] != '5' {
						t.Errorf("%s: %s from %s: BDAT: got %q", address, a.recipient, a.sender, got)
					}
					p.end()
				}
			}
		}
	})
	if len(f.mails()) > 0 {
		t.Errorf("taken: %v", f.mails())
	}
}

// The same on real listeners, with loopback untrusted: in the clear, behind STARTTLS, and where TLS is implicit.
func TestNoOpenRelayOnAnyListener(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings = relaySettings()
	b := start(t, f)
	for name, connect := range map[string]func() *client{
		"plain": func() *client { return greeted(t, b.plain) },
		"STARTTLS": func() *client {
			c := greeted(t, b.plain)
			c.startTLS()
			c.ask("EHLO pc", "250 ")
			return c
		},
		"TLS": func() *client {
			c := dialTLS(t, b.tls)
			c.want("220 ")
			c.ask("EHLO pc", "250 ")
			return c
		},
	} {
		for _, a := range attempts {
			c := connect()
			c.send("MAIL FROM:" + a.sender + "\r\n")
			c.reply()
			if got := c.ask("RCPT TO:"+a.recipient, ""); got[0] != '5' {
				t.Errorf("%s: %s from %s: got %q", name, a.recipient, a.sender, got)
			}
			c.nc.Close()
		}
	}
	if len(f.mails()) > 0 {
		t.Errorf("taken: %v", f.mails())
	}
}

// Who is in a trusted network is taken mail from; IPv4-mapped addresses count as IPv4.
func TestTrustedNetworks(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings = relaySettings()
	synctest.Test(t, func(t *testing.T) {
		server := newTestServer(f)
		for _, address := range []string{"192.0.2.0:1", "192.0.2.255:1", "[::ffff:192.0.2.7]:1", "[2001:db8::ffff]:1"} {
			p := pipeTo(t, f, server, address)
			p.ask("EHLO pc", "250 ")
			if got := p.mail("\r\n"); !strings.HasPrefix(got, "250 ") {
				t.Errorf("%s: got %q", address, got)
			}
			p.end()
		}
	})
	for n, want := range []string{"192.0.2.0", "192.0.2.255", "192.0.2.7", "2001:db8::ffff"} {
		if got := f.mails()[n].Client; got != want {
			t.Errorf("client: got %s, want %s", got, want)
		}
	}
}

// Trust that is taken away holds for the next recipient, and trust that is given for the next mail.
func TestTrustAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, newFakeStore(t))
	c := greeted(t, b.plain)
	c.envelope()
	trusted := b.settings.TrustedNetworks
	b.change(func(in *settings.Settings) { in.TrustedNetworks = nil })
	c.ask("RCPT TO:<c@example.com>", "550 5.7.1 ")
	c.ask("RSET", "250 ")
	c.ask("MAIL FROM:<a@example.org>", "250 ")
	b.change(func(in *settings.Settings) { in.TrustedNetworks = trusted })
	c.ask("RCPT TO:<b@example.com>", "550 5.7.1 ") // its sender wasn't looked at
	c.ask("RSET", "250 ")
	c.envelope()
}

// A stranger who collects addresses is let go.
func TestStrangersErrors(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.settings.TrustedNetworks = nil
	b := start(t, f)
	c := greeted(t, b.plain)
	c.ask("MAIL FROM:<a@example.org>", "250 ")
	for n := range maxBad {
		c.ask(fmt.Sprintf("RCPT TO:<user%d@pop3proxy.reddoxx>", n), "550 5.7.1 ")
	}
	c.want("421 4.7.0 ")
	c.wantClosed()
}
