package settings

// Users is how the users of the box are named and counted.
type Users struct {
	PseudoDomain string // the domain of each user's first address
	Licences     int
}

func defaultUsers() Users { return Users{PseudoDomain: "pop3proxy.reddoxx", Licences: 50} }

func (u *Users) section() section {
	return section{name: "users", doc: `
Each account that logs in for the first time gets a user, who can log in to the console; "postroom user" makes others.`,
		settings: []setting{
			{name: "pseudo_domain", value: text(&u.PseudoDomain, domain), example: `"mail.example.org"`, doc: `
The domain of the first address that a user gets: user name, "@" and this. It needs not exist anywhere else. Users who are
there keep the address that they have.`},
			{name: "licences", value: number(&u.Licences, 0, 1_000_000), example: `100`, doc: `
How many users you have licences for. A new user gets one while any is free, and one that gets free goes to the user that waits
longest. A user without one gets all mail as well, by the built-in profile and unarchived. A smaller number takes no licence away:
"postroom status" says how many are too many, and "postroom licence withdraw" takes one back.`},
		}}
}
