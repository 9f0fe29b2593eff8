package settings

import "time"

// POP3 is how mail clients collect their mail.
type POP3 struct {
	Listen         []Listen // plain, STLS offered
	ListenTLS      []Listen // implicit TLS
	PlaintextLogin PlaintextLogin
	Delivery       Delivery
	Hold           time.Duration // same-poll: the longest that a login is held
	Retrieved      Retrieved
	KeepRetrieved  time.Duration // how long what left an Out Queue can be brought back

	FailedLoginsPerMinute    int // of one address, and to one account; 0: any number
	MaxConnections           int
	MaxConnectionsPerAddress int // 0: no limit but MaxConnections
}

// PlaintextLogin says who may log in without TLS.
type PlaintextLogin string

// The values of pop3.plaintext_login.
const (
	PlaintextNever   PlaintextLogin = "never"
	PlaintextTrusted PlaintextLogin = "trusted" // from a trusted network
	PlaintextAlways  PlaintextLogin = "always"
)

// Delivery says which poll finds what a poll made the box fetch.
type Delivery string

// The values of pop3.delivery.
const (
	DeliveryNextPoll Delivery = "next-poll"
	DeliverySamePoll Delivery = "same-poll"
)

func defaultPOP3() POP3 {
	return POP3{
		Listen:         []Listen{{"", 110}},
		ListenTLS:      []Listen{{"", 995}},
		PlaintextLogin: PlaintextTrusted,
		Delivery:       DeliveryNextPoll,
		Hold:           20 * time.Second,
		Retrieved:      RetrievedExpire,
		KeepRetrieved:  14 * day,

		FailedLoginsPerMinute: 10,
		MaxConnections:        2000,
	}
}

func (p *POP3) section() section {
	return section{name: "pop3", doc: `
How mail clients collect their mail from the box. They log in with the name of their login, "@", and the POP3 server of their provider:
myaccount@pop3.web.de, or myaccount@gmx.de@pop3.gmx.de where the login is itself an address. The password is the one that they have at the
provider.`,
		settings: []setting{
			{name: "listen", value: list(&p.Listen, listen), example: `["192.168.1.5:110"]`, doc: `
Where the box waits for clients that begin in the clear and can go over to TLS ("STARTTLS" in most clients). An empty list turns
this off, but not together with pop3.listen_tls.`},
			{name: "listen_tls", value: list(&p.ListenTLS, listen), example: `["192.168.1.5:995"]`, doc: `
Where the box waits for clients that use TLS from the start ("SSL/TLS" in most clients). This is the better one.`},
			{name: "plaintext_login", value: text(&p.PlaintextLogin, choice([]PlaintextLogin{PlaintextNever, PlaintextTrusted, PlaintextAlways})), example: `"never"`, doc: `
Who may log in without TLS, so that anyone on the way can read the password: nobody ("never"), clients in a [[trusted_network]]
("trusted"), or everybody ("always"). Who may not is told to turn TLS on.`},
			{name: "delivery", value: text(&p.Delivery, choice([]Delivery{DeliveryNextPoll, DeliverySamePoll})), example: `"same-poll"`, doc: `
With "next-poll" a poll gets at once what is there, and then makes the box fetch from the provider: new mail is delivered in the second
poll. (With fetch.schedule on, the box fetches between polls too, and mail is usually there at the first.) With
"same-poll" a client's login waits until the box has fetched what the provider has at that moment, and checked it, or until pop3.hold is over: new
mail is delivered in the first poll, and the client gets it later or, if the provider is slow or away, in a later poll; it never
sees an error for that. A fetch begins only if provider.min_interval lets it; else the login is answered at once.`},
			{name: "hold", value: text(&p.Hold, duration(time.Second, 5*time.Minute)), example: `"30s"`, doc: `
The longest time that a client's login waits for fresh mail with pop3.delivery set to "same-poll". It means nothing with
"next-poll".`},
			{name: "retrieved", value: text(&p.Retrieved, retrieved), example: `"720h"`, doc: `
When mail that a client has retrieved leaves its queue. With "expire" it leaves when the client logs off in order,
whether the client deleted it or not: so set clients to keep their own copy, and let only one client collect an account. With a time such as
"720h" (30 days) it stays for so long after it was first retrieved, and with "until-dele" until a client deletes it: with
either, several clients can collect one account, each set to leave mail on the server, and each gets all of it. Mail that nobody
has retrieved stays in any case. "postroom account set" makes another choice for a single account.`},
			{name: "keep_retrieved", value: text(&p.KeepRetrieved, duration(0, 10*year)), example: `"720h"`, doc: `
How long you can bring back mail that left its queue, for a client that lost it. After that it is gone for good, here as at the provider.
"336h" is two weeks.`},
			{name: "failed_logins_per_minute", value: number(&p.FailedLoginsPerMinute, 0, 1000), example: `5`, doc: `
How many logins may fail in a minute, from one address and to one account. Each that fails is answered later than the one before, by up to five
seconds. Who is over the limit is refused for some seconds to a minute without a look at the password, but not at an address from which the
account was lately logged in to: that has a count of its own, so nobody can lock you out. 0 is no limit, and answers at once. (Of
IPv6 addresses, those that begin with the same 64 bits count as one.)`},
			{name: "max_connections", value: number(&p.MaxConnections, 1, 100_000), example: `500`, doc: `
How many clients may be connected at the same moment. One more is told so and let go.`},
			{name: "max_connections_per_address", value: number(&p.MaxConnectionsPerAddress, 0, 100_000), example: `20`, doc: `
How many of them may come from one address (of IPv6: from addresses that begin with the same 64 bits). 0 is no limit. Mind that a whole office can be
one address.`},
		}}
}
