package settings

// Console is where the owner's commands, and later pages, are served.
type Console struct {
	Listen []Listen
}

func defaultConsole() Console { return Console{Listen: []Listen{{"", 443}}} }

func (c *Console) section() section {
	return section{name: "console", doc: `
Where the "postroom" command reaches the box over the network. Only holders of a client key get in.`,
		settings: []setting{
			{name: "listen", value: list(&c.Listen, listen), example: `["192.168.1.5:8443"]`, doc: `
Where the console waits, always with TLS. An empty list turns it off: the box can then only be reached at its own screen, or on a
workstation through its data folder. Take care not to lock yourself out of an appliance.`},
		}}
}
