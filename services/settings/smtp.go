package settings

import "time"

// SMTP is how mail is taken in from mail clients, and how long its delivery is tried.
type SMTP struct {
	Listen           []Listen // STARTTLS offered
	ListenSubmission []Listen // the same, on the port of submission (RFC 6409)
	ListenTLS        []Listen // implicit TLS (RFC 8314)
	MaxSize          Size
	RequireAuth      []Pattern // of senders that need a login even in a trusted network
	OwnAddressesOnly bool
	HideClient       bool
	NotifyDelay      time.Duration // 0: never
	GiveUp           time.Duration

	MaxRecipients            int // of one mail
	MailsPerMinute           int // of one address of an untrusted network, and of one account; 0: any number
	MaxConnections           int
	MaxConnectionsPerAddress int // 0: no limit but MaxConnections
}

func defaultSMTP() SMTP {
	return SMTP{
		Listen:           []Listen{{"", 25}},
		ListenSubmission: []Listen{{"", 587}},
		ListenTLS:        []Listen{{"", 465}},
		MaxSize:          50 << 20,
		RequireAuth:      []Pattern{},
		NotifyDelay:      90 * time.Minute,
		GiveUp:           120 * time.Hour,
		MaxRecipients:    1000,
		MaxConnections:   1000,
	}
}

// NeedsAuth says whether mail of a sender is taken after a login alone.
func (s *Settings) NeedsAuth(sender string) bool {
	for _, p := range s.SMTP.RequireAuth {
		if p.Matches(sender) {
			return true
		}
	}
	return false
}

func (s *SMTP) section() section {
	return section{name: "smtp", doc: `
How mail clients send mail through the box: without a login from the networks of the [[trusted_network]] blocks, and from everywhere with the
account name and password that they collect mail with, once TLS is there. Nobody else may send through it. Where the mail goes then, [[transport_rule]] says.`,
		settings: []setting{
			{name: "listen", value: list(&s.Listen, listen), example: `["192.168.1.5:25"]`, doc: `
Where the box takes mail, with STARTTLS offered. An empty list turns it off.`},
			{name: "listen_submission", value: list(&s.ListenSubmission, listen), example: `["192.168.1.5:587"]`, doc: `
The same on the port that mail clients are set to today. An empty list turns it off.`},
			{name: "listen_tls", value: list(&s.ListenTLS, listen), example: `["192.168.1.5:465"]`, doc: `
The same with TLS from the start. An empty list turns it off.`},
			{name: "max_size", value: text(&s.MaxSize, size(64<<10, 1<<30)), example: `"20MiB"`, doc: `
The largest mail that is taken. Attachments grow by a third on their way into a mail.`},
			{name: "max_recipients", value: number(&s.MaxRecipients, 100, 10_000), example: `200`, doc: `
The most recipients of one mail. A client that has more is asked to send them in another one.`},
			{name: "mails_per_minute", value: number(&s.MailsPerMinute, 0, 1_000_000), example: `60`, doc: `
How many mails one address may send in a minute, and one account that has logged in; what comes faster is put off. 0 is any number.`},
			{name: "require_auth", value: list(&s.RequireAuth, pattern), example: `["boss@example.org", "*@gmx.net"]`, doc: `
Senders whose mail is taken after a login alone, even from a trusted network. Behind a router that gives all its hosts one address (NAT), the box can't
tell them apart: then this keeps one from sending as another.`},
			{name: "own_addresses_only", value: truth(&s.OwnAddressesOnly), example: `true`, doc: `
Whether a mail's sender and From have to be addresses of the user who sends it: of the one who logged in, or, in a trusted network, of one who
collected mail from the same address lately.`},
			{name: "hide_client", value: truth(&s.HideClient), example: `true`, doc: `
Whether the Received line that the box writes leaves out the client's address and name, which tell strangers about your network.`},
			{name: "notify_delay", value: text(&s.NotifyDelay, durationOrNone(time.Minute, 240*time.Hour)), example: `"4h"`, doc: `
When a sender is told that a mail couldn't be delivered yet: once, after this time. "0s" is never.`},
			{name: "give_up", value: text(&s.GiveUp, duration(time.Hour, 720*time.Hour)), example: `"48h"`, doc: `
How long the box tries to deliver a mail. Then its sender is told that it couldn't be.`},
			{name: "max_connections", value: number(&s.MaxConnections, 1, 10_000), example: `200`, doc: `
The most connections at one time. Who comes then is told to come back later.`},
			{name: "max_connections_per_address", value: number(&s.MaxConnectionsPerAddress, 0, 10_000), example: `50`, doc: `
The most connections of one address at one time. 0 is any number.`},
		}}
}
