package settings

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, address string
		want             bool
	}{
		{"", "", true},
		{"", "a@b.example", true},
		{"*@gmx.net", "Someone@GMX.net", true},
		{"*@gmx.net", "someone@mail.gmx.net", false},
		{"*@gmx.net", "someone@gmx.net.example", false},
		{"*@gmx.net", "", false},
		{"*@gmx.net", "gmx.net", false},
		{"*@*.gmx.net", "someone@mail.gmx.net", true},
		{"*@*.gmx.net", "someone@a.mail.gmx.net", true},
		{"*@*.gmx.net", "someone@gmx.net", false},
		{"*@*.gmx.net", "someone@notgmx.net", false},
		{"boss@example.org", "Boss@example.org", true},
		{"boss@example.org", "boss2@example.org", false},
		{"boss@example.org", "boss@sub.example.org", false},
		{"*@müller.example", "a@xn--mller-kva.example", true},
		{"*@xn--mller-kva.example", "a@MÜLLER.example", true},
		{"*@example.org", `"a@b"@example.org`, true},
		{"*@example.org", "a@example.org.", true},
	}
	for _, test := range tests {
		p, f := patternOrAny.parse(test.pattern)
		if f != nil {
			t.Errorf("parse(%q): %s", test.pattern, f.wrong)
		} else if got := p.Matches(test.address); got != test.want {
			t.Errorf("%q matches %q: got %v, want %v", test.pattern, test.address, got, test.want)
		}
	}
}

// TestCovers holds covers to what Matches says of many addresses.
func TestCovers(t *testing.T) {
	t.Parallel()
	patterns := []string{"", "*@gmx.net", "*@*.gmx.net", "*@*.mail.gmx.net", "*@mail.gmx.net", "a@gmx.net", "A@gmx.net", "b@gmx.net", "a@mail.gmx.net", "*@*.net"}
	addresses := []string{"", "a@gmx.net", "b@gmx.net", "c@gmx.net", "a@mail.gmx.net", "b@mail.gmx.net", "a@x.mail.gmx.net", "a@x.gmx.net", "a@other.net", "a@net"}
	for _, one := range patterns {
		for _, other := range patterns {
			p, _ := patternOrAny.parse(one)
			q, _ := patternOrAny.parse(other)
			want := true
			for _, a := range addresses {
				if q.Matches(a) && !p.Matches(a) {
					want = false
				}
			}
			if got := p.covers(q); got != want {
				t.Errorf("%q covers %q: got %v, want %v", one, other, got, want)
			}
		}
	}
}

func TestTransportRules(t *testing.T) {
	t.Parallel()
	const office = "[[transport_rule]]\nname='office'\nrelay='192.168.1.9:25'\ntls='none'\n"
	tests := []struct{ name, file, want string }{
		{"second default", office + "[[transport_rule]]\nname='b'\nrelay='b.example:587'", `postroom.toml:5: transport_rule "b": can never match: whatever it is for, "office" on line 1 takes before it; put it before that one, or leave it out`},
		{"hidden by its domain", "[[transport_rule]]\nname='a'\nsender='*@gmx.net'\nrelay='a.example:587'\n[[transport_rule]]\nname='b'\nsender='c@gmx.net'\nrecipient='*@x.example'", `postroom.toml:5: transport_rule "b": can never match: whatever it is for, "a" on line 1 takes before it; put it before that one, or leave it out`},
		{"login in the clear", "[[transport_rule]]\nname='a'\nrelay='a.example:25'\ntls='none'\nlogin='account'", `postroom.toml:4: transport_rule.tls: is "none", and the rule has a login: its password would go over the network in the clear; write "implicit" or "starttls", or leave login out`},
		{"opportunistic login", "[[transport_rule]]\nname='a'\nrelay='a.example:25'\ntls='opportunistic'\nlogin='office'", `postroom.toml:4: transport_rule.tls: is "opportunistic", which is only for the MX: whoever is on the way could turn it off; write "starttls" or "implicit", or "none" for a relay in your own network`},
		{"login at an MX", "[[transport_rule]]\nname='a'\nlogin='account'", `postroom.toml:3: transport_rule.login: is for a relay, and this rule has none; give transport_rule.relay, or leave login out`},
		{"implicit MX", "[[transport_rule]]\nname='a'\ntls='implicit'", `postroom.toml:3: transport_rule.tls: is "implicit", and no MX has that; write "opportunistic" or "starttls"`},
		{"no port", "[[transport_rule]]\nname='a'\nrelay='a.example'", `postroom.toml:3: transport_rule.relay: "a.example" has no port; write "a.example:587"; usual are 465 with TLS from the start, 587 with STARTTLS`},
		{"no name", "[[transport_rule]]\nrelay='a.example:25'", "postroom.toml:1: transport_rule.name: is missing: every [[transport_rule]] needs one; write for example name = \"GMX for its own senders\""},
		{"bad pattern", "[[transport_rule]]\nname='a'\nsender='gmx.net'", `postroom.toml:3: transport_rule.sender: "gmx.net" is neither an address nor a pattern of addresses; write "*@gmx.net"`},
		{"pattern below with a name", "[smtp]\nrequire_auth=['a@*.gmx.net']", `postroom.toml:2: smtp.require_auth: "a@*.gmx.net" is neither an address nor a pattern of addresses; write "*@*.gmx.net" for all of the domains below "gmx.net"`},
		{"any needs a login", "[smtp]\nrequire_auth=['']", `postroom.toml:2: smtp.require_auth: "" is neither an address nor a pattern of addresses; write "name@domain", "*@domain" or "*@*.domain"`},
		{"name twice", office + office, `postroom.toml:6: transport_rule.name: "office" has a block already: on line 2`},
		{"local domain twice", "[[local_domain]]\nname='a.example'\n[[local_domain]]\nname='A.example'", `postroom.toml:4: local_domain.name: "a.example" has a block already: on line 2`},
		{"host bits", "[[trusted_network]]\nname='a'\ncidr='192.168.1.5/24'", `postroom.toml:3: trusted_network.cidr: "192.168.1.5/24" names a machine in the network 192.168.1.0/24; write "192.168.1.0/24", or for the machine alone "192.168.1.5/32"`},
		{"truth in quotes", "[smtp]\nhide_client='yes'", `postroom.toml:2: smtp.hide_client: is text where true or false is wanted; write true, without quotes`},
		{"port taken", "[smtp]\nlisten=[':465']", `postroom.toml:2: smtp.listen: ":465" is taken by smtp.listen_tls, which has ":465"`},
		{"submission without a port", "[[provider]]\nhost='p.example'\nsubmission='mail.p.example'", `postroom.toml:3: provider.submission: "mail.p.example" has no port; write "mail.p.example:587"; usual are 465 with TLS from the start, 587 with STARTTLS`},
	}
	for _, test := range tests {
		_, err := Parse("postroom.toml", []byte(test.file))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: got\n%v\nwant\n%s", test.name, err, test.want)
		}
	}
}

func TestTransportRulesThatAreGood(t *testing.T) {
	t.Parallel()
	s := mustParse(t, strings.Join([]string{
		"[[transport_rule]]\nname='own'\nsender='*@gmx.net'\nrelay='mail.gmx.net:465'\ntls='implicit'\nlogin='account'",
		"[[transport_rule]]\nname='others of GMX'\nsender='*@gmx.net'\nrelay='relay.example:587'\nlogin='kept'",
		"[[transport_rule]]\nname='inside'\nrecipient='*@*.intern.example'\nrelay='192.168.1.9:25'\ntls='none'",
		"[[transport_rule]]\nname='rest'",
	}, "\n"))
	for i, want := range []RelayTLS{RelayImplicit, RelayStartTLS, RelayPlain, RelayOpportunistic} {
		if got := s.TransportRules[i].TLS; got != want {
			t.Errorf("rule %d: tls %q, want %q", i+1, got, want)
		}
	}
	if again := mustParse(t, string(s.Encode())); string(again.Encode()) != string(s.Encode()) {
		t.Errorf("written and read again:\n%s\nwant\n%s", again.Encode(), s.Encode())
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "[[local_domain]]\nname='Intern.example'\n")
	for domain, want := range map[string]bool{
		"pop3proxy.reddoxx": true, "POP3proxy.reddoxx.": true, "intern.example": true, "sub.intern.example": false, "example": false, "": false,
	} {
		if got := s.Local(domain); got != want {
			t.Errorf("Local(%q): got %v, want %v", domain, got, want)
		}
	}
}
