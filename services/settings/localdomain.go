package settings

// LocalDomain is a domain whose mail is for users of the box, as that of users.pseudo_domain is.
type LocalDomain struct{ Name string }

// Local says whether mail to a domain is for users of the box, and goes nowhere else.
func (s *Settings) Local(domain string) bool {
	domain = asDomain(domain)
	if domain == s.Users.PseudoDomain {
		return true
	}
	for _, d := range s.LocalDomains {
		if domain == d.Name {
			return true
		}
	}
	return false
}

func (d *LocalDomain) section() section {
	return section{name: "local_domain", block: true, doc: `
A domain whose addresses are those of users of the box and of nobody else: mail to them is delivered here, and refused where no user has the address.
The domain of users.pseudo_domain is one always, with a block or without.
Don't enter a domain whose mailboxes are at a provider: mail to a colleague who isn't a user here would be refused.`,
		settings: []setting{
			{name: "name", value: text(&d.Name, domain), required: true, example: `"pop3proxy.reddoxx"`, doc: `
The domain. Each has one block only.`},
		}}
}
