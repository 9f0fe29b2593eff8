package settings

import "net/netip"

// Enrol is who may bring a new account, and of which provider.
type Enrol struct {
	Networks  []netip.Prefix
	Providers ProviderRule
}

// ProviderRule says which providers a new account may live at.
type ProviderRule string

// The values of enrol.providers.
const (
	ProvidersPublic ProviderRule = "public" // any with a public address and a valid certificate, and those with a profile
	ProvidersListed ProviderRule = "listed" // those with a profile
)

func defaultEnrol() Enrol {
	return Enrol{
		Networks: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"),
			netip.MustParsePrefix("172.16.0.0/12"),
			netip.MustParsePrefix("192.168.0.0/16"),
			netip.MustParsePrefix("127.0.0.0/8"),
			netip.MustParsePrefix("fc00::/7"),
			netip.MustParsePrefix("::1/128"),
		},
		Providers: ProvidersPublic,
	}
}

func (e *Enrol) section() section {
	return section{name: "enrol", doc: `
An account comes to the box by its first login: the box tries name and password at the provider, and keeps them if they are good. These
settings decide for whom it does that. Accounts that the box knows already can log in from anywhere that reaches it.`,
		settings: []setting{
			{name: "networks", value: list(&e.Networks, prefix), example: `["192.168.1.0/24", "2001:db8:1::/48"]`, doc: `
The networks whose clients may bring a new account; this list alone decides. The default is every private network. From
elsewhere an unknown account is refused without a reason; from here the refusal says what is wrong. With an empty list nobody can.`},
			{name: "providers", value: text(&e.Providers, choice([]ProviderRule{ProvidersPublic, ProvidersListed})), example: `"listed"`, doc: `
The providers of new accounts: with "public" any that has a public address and a valid certificate for its name, with
"listed" only those that have a [[provider]] block.`},
		}}
}
