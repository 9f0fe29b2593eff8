package route_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"postroom/services/settings"
	"postroom/services/smtp/route"
)

const rules = `
[[local_domain]]
name = "branch.example"

[[transport_rule]]
name = "to the partner"
recipient = "*@partner.example"
relay = "gw.partner.example:25"
tls = "none"

[[transport_rule]]
name = "GMX"
sender = "*@gmx.net"
relay = "mail.gmx.net:465"
tls = "implicit"
login = "account"

[[transport_rule]]
name = "our smarthost"
sender = "*@example.org"
relay = "smart.example.org:587"
login = "smart"

[[transport_rule]]
name = "straight out"
sender = "*@*.lists.example"

[[provider]]
host = "pop3.web.example"
submission = "smtp.web.example:587"

[[provider]]
host = "pop3.tls.example"
submission = "smtp.tls.example:465"

[[provider]]
host = "pop3.gmx.net"
submission = "never.gmx.net:465"
`

func parse(t *testing.T, text string) *settings.Settings {
	t.Helper()
	s, err := settings.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// show is a way in one line.
func show(w route.Way, err error) string {
	var r *route.Refusal
	if errors.As(err, &r) {
		return "refused " + r.Code
	}
	switch w.Kind {
	case route.Local:
		return "local"
	case route.MX:
		return fmt.Sprintf("MX %s %s by %s", w.Domain, w.TLS, w.Rule)
	}
	return fmt.Sprintf("relay %s %s %s%s by %s", w.Server, w.TLS, [...]string{"nobody", "account", "kept "}[w.Login], w.Name, w.Rule)
}

func TestFind(t *testing.T) {
	t.Parallel()
	s := parse(t, rules)
	owner := func(sender, host, recipient string) route.Mail {
		return route.Mail{Sender: sender, Host: host, Recipient: recipient, Account: true, Owner: true}
	}
	anyone := func(sender, recipient string) route.Mail { return route.Mail{Sender: sender, Recipient: recipient} }
	for _, test := range []struct {
		name string
		mail route.Mail
		want string
	}{
		{"a local domain", anyone("x@a.example", "y@Branch.Example."), "local"},
		{"the pseudo domain", anyone("x@a.example", "y@pop3proxy.reddoxx"), "local"},
		{"a local domain before every rule", owner("me@gmx.net", "pop3.gmx.net", "y@branch.example"), "local"},
		{"below a local domain", anyone("x@a.example", "y@sub.branch.example"), "MX sub.branch.example opportunistic by MX"},
		{"nothing matches", anyone("x@a.example", "y@Else.Example"), "MX else.example opportunistic by MX"},
		{"an A-label", anyone("x@a.example", "y@BÜCHER.example"), "MX xn--bcher-kva.example opportunistic by MX"},
		{"a literal", anyone("x@a.example", "y@[192.0.2.7]"), "MX [192.0.2.7] opportunistic by MX"},
		{"no domain", anyone("x@a.example", "postmaster"), "refused 5.1.3"},
		{"an empty domain", anyone("x@a.example", "postmaster@"), "refused 5.1.3"},
		{"no recipient", anyone("x@a.example", ""), "refused 5.1.3"},
		{"the null sender", anyone("", "y@else.example"), "MX else.example opportunistic by MX"},
		{"by recipient", anyone("x@a.example", "y@partner.example"), "relay gw.partner.example:25 none nobody by to the partner"},
		{"by recipient, the first rule holds", owner("me@gmx.net", "pop3.gmx.net", "y@partner.example"), "relay gw.partner.example:25 none nobody by to the partner"},
		{"by recipient, the null sender", anyone("", "y@partner.example"), "relay gw.partner.example:25 none nobody by to the partner"},
		{"a kept login", anyone("x@example.org", "y@else.example"), "relay smart.example.org:587 starttls kept smart by our smarthost"},
		{"a kept login, sender with a quoted @", anyone(`"a@gmx.net"@example.org`, "y@else.example"), "relay smart.example.org:587 starttls kept smart by our smarthost"},
		{"a rule without a relay", anyone("x@a.lists.example", "y@else.example"), "MX else.example opportunistic by straight out"},
		{"an account's login", owner("me@gmx.net", "pop3.gmx.net", "y@else.example"), "relay mail.gmx.net:465 implicit account by GMX"},
		{"a rule before the submission", owner("Me@GMX.net", "pop3.gmx.net", "y@else.example"), "relay mail.gmx.net:465 implicit account by GMX"},
		{"submission", owner("me@web.example", "pop3.web.example", "y@else.example"), "relay smtp.web.example:587 starttls account by submission of pop3.web.example"},
		{"submission with TLS", owner("me@tls.example", "pop3.tls.example", "y@else.example"), "relay smtp.tls.example:465 implicit account by submission of pop3.tls.example"},
		{"an account without any way of its own", owner("me@other.example", "pop3.other.example", "y@else.example"), "MX else.example opportunistic by MX"},
		{"the same, not its owner", route.Mail{Sender: "me@other.example", Host: "pop3.other.example", Account: true, Recipient: "y@else.example"}, "MX else.example opportunistic by MX"},
		{"the box's own, to an account", route.Mail{Own: true, Here: true, Recipient: "boss@gmx.net"}, "local"},
		{"the box's own, to a stranger", route.Mail{Own: true, Recipient: "x@gmx.net"}, "MX gmx.net opportunistic by MX"},
		{"somebody's, to an account", route.Mail{Here: true, Recipient: "boss@gmx.net"}, "MX gmx.net opportunistic by MX"},
		{"the box's own for an account", route.Mail{Own: true, Sender: "me@web.example", Account: true, Owner: true, Host: "pop3.web.example", Recipient: "x@else.example"},
			"relay smtp.web.example:587 starttls account by submission of pop3.web.example"},
	} {
		if got := show(route.Find(s, test.mail)); got != test.want {
			t.Errorf("%s: %+v: got %q, want %q", test.name, test.mail, got, test.want)
		}
	}
}

// Attempts to send by an account's login without being its owner: each goes another way, or is refused.
func TestNotTheOwner(t *testing.T) {
	t.Parallel()
	plain := parse(t, rules)
	behind := parse(t, rules+"[[transport_rule]]\nname = \"the rest\"\nrelay = \"out.example:25\"\ntls = \"none\"\n")
	mx := parse(t, rules+"[[transport_rule]]\nname = \"the rest to the MX\"\n")
	const refused, toMX, rest = "refused 5.7.1", "MX else.example opportunistic by MX", "relay out.example:25 none nobody by the rest"
	account := func(sender, host string) route.Mail { return route.Mail{Sender: sender, Account: true, Host: host} }
	for i, test := range []struct {
		in   *settings.Settings
		mail route.Mail
		want string
	}{
		// A printer in a trusted network sends as the boss.
		{plain, account("boss@gmx.net", "pop3.gmx.net"), refused},
		{plain, account("BOSS@gmx.net", "pop3.gmx.net"), refused},
		{plain, account("boss@GMX.NET", "pop3.gmx.net"), refused},
		{plain, account("boss@gmx.net.", "pop3.gmx.net"), refused},
		{plain, account("boss@web.example", "pop3.web.example"), refused},
		{plain, account("boss@web.example", "POP3.WEB.EXAMPLE"), refused},
		{plain, account("boss@web.example", "pop3.web.example."), refused},
		{plain, account("boss@tls.example", "pop3.tls.example"), refused},
		{plain, account("boss@gmx.net", ""), refused},
		{plain, account("alias@private.example", "pop3.web.example"), refused}, // an address assigned to the account's user
		{plain, account("alias@private.example", "pop3.gmx.net"), refused},
		{plain, account(`"boss"@gmx.net`, "pop3.gmx.net"), refused},
		{plain, account("boss@gmx.net", "pop3.other.example"), refused}, // the rule is for the sender, whatever its host
		// The sender isn't the account's at all, though the rule would match.
		{plain, route.Mail{Sender: "nobody@gmx.net"}, toMX},
		{plain, route.Mail{Sender: "boss+x@gmx.net"}, toMX},
		{plain, route.Mail{Sender: "nobody@gmx.net", Owner: true}, toMX},
		{plain, route.Mail{Sender: "nobody@web.example", Owner: true}, toMX},
		{plain, route.Mail{Sender: "nobody@web.example", Owner: true, Host: "pop3.web.example"}, toMX},
		{plain, route.Mail{Sender: "x@evil.example", Host: "pop3.web.example"}, toMX},
		{plain, route.Mail{Sender: "boss@gmx.net.evil.example"}, toMX},
		{plain, route.Mail{Sender: "boss%gmx.net@evil.example"}, toMX},
		{plain, route.Mail{Sender: `"boss@gmx.net"@evil.example`}, toMX},
		{plain, route.Mail{Sender: "boss@gmx.net@evil.example"}, toMX},
		{plain, route.Mail{Sender: "boss@sub.gmx.net"}, toMX},
		{plain, route.Mail{Sender: "gmx.net"}, toMX},
		{plain, route.Mail{Sender: "boss!gmx.net"}, toMX},
		// The null sender proves nothing.
		{plain, route.Mail{}, toMX},
		{plain, route.Mail{Account: true, Host: "pop3.gmx.net"}, toMX},
		{plain, route.Mail{Account: true, Host: "pop3.web.example"}, toMX},
		{plain, route.Mail{Account: true, Owner: true, Host: "pop3.web.example"}, toMX},
		{plain, route.Mail{Owner: true}, toMX},
		// The recipient is the account itself.
		{plain, route.Mail{Sender: "boss@gmx.net", Account: true, Host: "pop3.gmx.net", Here: true}, refused},
		{plain, route.Mail{Sender: "x@evil.example", Here: true}, toMX},
		// Another rule takes what the account's misses: without any login, or with one that the owner gave for it.
		{behind, account("boss@gmx.net", "pop3.gmx.net"), rest},
		{behind, account("boss@web.example", "pop3.web.example"), rest},
		{behind, route.Mail{Sender: "nobody@gmx.net"}, rest},
		{behind, route.Mail{Sender: ""}, rest},
		{mx, account("boss@gmx.net", "pop3.gmx.net"), "MX else.example opportunistic by the rest to the MX"},
		{plain, account("boss@example.org", "pop3.web.example"), "relay smart.example.org:587 starttls kept smart by our smarthost"},
		// The box's own mail, for an account that it isn't for.
		{plain, route.Mail{Own: true, Sender: "boss@gmx.net", Account: true, Host: "pop3.gmx.net"}, refused},
		{plain, route.Mail{Own: true, Account: true, Host: "pop3.gmx.net"}, toMX},
	} {
		test.mail.Recipient = "y@else.example"
		if got := show(route.Find(test.in, test.mail)); got != test.want {
			t.Errorf("%d: %+v: got %q, want %q", i, test.mail, got, test.want)
		}
	}
}

// Whatever the settings and the mail: an account's login needs its owner, and a refusal says what to do.
func TestNeverLent(t *testing.T) {
	t.Parallel()
	var tried, lent int
	for _, text := range []string{"", rules, rules + "[[transport_rule]]\nname = \"all\"\nrelay = \"r.example:465\"\ntls = \"implicit\"\nlogin = \"account\"\n"} {
		s := parse(t, text)
		if want := text != ""; route.NeedsOwner(s) != want {
			t.Errorf("%.30q: whether it needs an owner: got %v", text, !want)
		}
		for bits := range 16 {
			for _, sender := range []string{"", "boss@gmx.net", "a@web.example", "a@example.org", "x"} {
				for _, host := range []string{"", "pop3.gmx.net", "pop3.web.example", "pop3.other.example"} {
					for _, recipient := range []string{"y@else.example", "y@partner.example", "boss@gmx.net", "a@branch.example", "x"} {
						m := route.Mail{Sender: sender, Recipient: recipient, Host: host,
							Account: bits&1 > 0, Owner: bits&2 > 0, Own: bits&4 > 0, Here: bits&8 > 0}
						tried++
						w, err := route.Find(s, m)
						var r *route.Refusal
						switch {
						case errors.As(err, &r):
							if r.Reason == "" || r.Remedy == "" || !strings.HasPrefix(r.Code, "5.") || w != (route.Way{}) {
								t.Errorf("%+v: refused by %+v, %+v", m, r, w)
							}
						case err != nil || w.Kind == 0 || w.Rule == "" || (w.Kind == route.Relay) != (w.Server.Host != "") || (w.Kind == route.MX) != (w.Domain != ""):
							t.Errorf("%+v: %+v, %v", m, w, err)
						case w.Login == route.Account:
							lent++
							if !m.Owner || !m.Account || m.Sender == "" && !m.Own {
								t.Errorf("%+v: lent by %+v", m, w)
							}
						}
						if w.Login != route.Nobody && w.TLS != settings.RelayImplicit && w.TLS != settings.RelayStartTLS {
							t.Errorf("%+v: a login with TLS %q", m, w.TLS)
						}
					}
				}
			}
		}
	}
	if lent == 0 || lent > tried/2 {
		t.Errorf("%d of %d lent: this test tests nothing", lent, tried)
	}
}
