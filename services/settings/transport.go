package settings

// TransportRule says by which way mail leaves the box. The first that matches holds.
type TransportRule struct {
	Name      string
	Sender    Pattern
	Recipient Pattern
	Relay     Server // no host: the recipient domain's MX
	TLS       RelayTLS
	Login     string // LoginNone, LoginAccount, or the name of a kept login
}

// defaultTransportRule is what a block leaves out.
func defaultTransportRule() TransportRule {
	return TransportRule{TLS: RelayStartTLS, Login: LoginNone}
}

// RelayTLS is how a relay is talked to.
type RelayTLS string

// The values of transport_rule.tls.
const (
	RelayImplicit      RelayTLS = "implicit"
	RelayStartTLS      RelayTLS = "starttls"      // required
	RelayOpportunistic RelayTLS = "opportunistic" // to an MX alone: STARTTLS where it's offered, without a look at the certificate
	RelayPlain         RelayTLS = "none"
)

// Values of transport_rule.login that aren't the name of a kept login.
const (
	LoginNone    = "none"
	LoginAccount = "account"
)

// Matches says whether the rule is for mail of a sender to a recipient.
func (r TransportRule) Matches(sender, recipient string) bool {
	return r.Sender.Matches(sender) && r.Recipient.Matches(recipient)
}

// hides says that whatever other is for, r is for and comes first. What a rule with an account's login is for depends
// on who sends, so that it hides no rule without one.
func (r TransportRule) hides(other TransportRule) bool {
	return r.Sender.covers(other.Sender) && r.Recipient.covers(other.Recipient) &&
		(r.Login != LoginAccount || other.Login == LoginAccount)
}

// portsOfRelays are the usual ones, for messages.
const portsOfRelays = "465 with TLS from the start, 587 with STARTTLS"

var relay = form[Server]{
	words: "`\"host:port\"`, or `\"\"` for none",
	parse: func(text string) (Server, *fault) {
		if text == "" {
			return Server{}, nil
		}
		s, f := server(0).parse(text)
		if f == nil && s.Port == 0 {
			f = wrong("%s has no port", quote(text)).better("write %s; usual are %s", quote(text+":587"), portsOfRelays)
		}
		return s, f
	},
	show: func(s Server) string {
		if s.Host == "" {
			return ""
		}
		return s.String()
	},
}

// check finds what could never work, or would send a password in the clear. given says that the block has tls.
func (r *TransportRule) check(tlsGiven bool) (name string, f *fault) {
	mx := r.Relay.Host == ""
	if mx && !tlsGiven {
		r.TLS = RelayOpportunistic
	}
	switch login := r.Login != LoginNone; {
	case mx && login:
		return "login", wrong("is for a relay, and this rule has none").better(`give transport_rule.relay, or leave login out`)
	case login && r.TLS == RelayPlain:
		return "tls", wrong("is \"none\", and the rule has a login: its password would go over the network in the clear").
			better(`write "implicit" or "starttls", or leave login out`)
	case !mx && r.TLS == RelayOpportunistic:
		return "tls", wrong("is \"opportunistic\", which is only for the MX: whoever is on the way could turn it off").
			better(`write "starttls" or "implicit", or "none" for a relay in your own network`)
	case mx && r.TLS == RelayImplicit:
		return "tls", wrong("is \"implicit\", and no MX has that").better(`write "opportunistic" or "starttls"`)
	}
	return "", nil
}

func (r *TransportRule) section() section {
	return section{name: "transport_rule", block: true, doc: `
By which way mail leaves the box. The first rule whose sender and recipient match holds, so put the special ones first; a rule that could never match because
of one before it is refused. Where no rule matches, mail of an account whose provider's profile has provider.submission goes there with that account's login; all
other mail goes to the MX of the recipient's domain.`,
		settings: []setting{
			{name: "name", value: text(&r.Name, label), required: true, example: `"GMX for its own senders"`, doc: `
What you call the rule. Each has its own name.`},
			{name: "sender", value: text(&r.Sender, patternOrAny), example: `"*@gmx.net"`, doc: `
The senders that it is for, by the address of the envelope.`},
			{name: "recipient", value: text(&r.Recipient, patternOrAny), example: `"*@*.example.org"`, doc: `
The recipients that it is for.`},
			{name: "relay", value: text(&r.Relay, relay), example: `"mail.gmx.net:465"`, doc: `
The server that the mail is handed to. Without one, it goes to the MX of the recipient's domain.`},
			{name: "tls", value: text(&r.TLS, choice([]RelayTLS{RelayImplicit, RelayStartTLS, RelayOpportunistic, RelayPlain})), example: `"implicit"`, doc: `
How the relay is talked to: with TLS from the start ("implicit", usually port 465), with the STARTTLS command before anything else ("starttls", usually port
587), or without TLS ("none": for a relay in your own network, never with a login). The certificate has to be valid for the relay's name. "opportunistic" is for the MX alone, and
what holds there if the block says nothing: TLS where the server offers it.`},
			{name: "login", value: text(&r.Login, login), example: `"account"`, doc: `
Who logs in at the relay: nobody ("none"); the sender's own account, with the login data that the box keeps for POP3 ("account"); or a login that you gave the box
with "postroom login set NAME", by its name. An account's login data is used for its owner's mail only: for who logged in as that account to send it, and for the addresses that
this account's mail was collected from within the last 12 hours. For mail of anyone else a rule with "account" doesn't match.`},
		}}
}

// login is the form of a login's name.
var login = form[string]{
	words: "`\"none\"`, `\"account\"`, or the name of a kept login",
	parse: label.parse,
	show:  same,
}
