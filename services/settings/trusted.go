package settings

import (
	"net/netip"
	"unicode"
	"unicode/utf8"
)

// TrustedNetwork is a network whose hosts may relay without a login, and log in
// without TLS where pop3.plaintext_login is "trusted".
type TrustedNetwork struct {
	Name string
	CIDR netip.Prefix
}

const maxLabel = 100 // characters

// label is the form of a name that people give to something.
var label = form[string]{
	words: "text of 1 to 100 characters",
	parse: func(text string) (string, *fault) {
		if text == "" {
			return "", wrong("is empty").better(`write what you call it, such as "office"`)
		}
		if n := utf8.RuneCountInString(text); n > maxLabel {
			return "", wrong("is %d characters long; at most %d", n, maxLabel)
		}
		for _, c := range text {
			if !unicode.IsPrint(c) {
				return "", wrong("%s has a character that can't be shown", quote(text))
			}
		}
		return text, nil
	},
	show: same,
}

func (t *TrustedNetwork) section() section {
	return section{name: "trusted_network", block: true, doc: `
A network whose hosts may send mail through the box without logging in, and may log in without TLS where pop3.plaintext_login is "trusted".
One block for each network; none is there by default. It doesn't let anyone bring a new account: that is enrol.networks.`,
		settings: []setting{
			{name: "name", value: text(&t.Name, label), required: true, example: `"office"`, doc: `
What you call the network. Each has its own name.`},
			{name: "cidr", value: text(&t.CIDR, prefix), required: true, example: `"192.168.1.0/24"`, doc: `
The network in CIDR notation: "192.168.1.0/24" is the 256 addresses that begin with 192.168.1, and a "/32" at the end
of an IPv4 address is that one host.`},
		}}
}
