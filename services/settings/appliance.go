package settings

import (
	"time"
	_ "time/tzdata" // the appliance has no /usr/share/zoneinfo
)

// Appliance is what the box is called, and how it tells the time.
type Appliance struct {
	Name        string
	Zone        string // a name that time.LoadLocation knows
	TimeServers []Server
}

func defaultAppliance() Appliance {
	return Appliance{Name: "postroom", Zone: "UTC", TimeServers: []Server{{"pool.ntp.org", portNTP}}}
}

const portNTP = 123

// Location is the zone itself.
func (a Appliance) Location() *time.Location {
	location, f := parseZone(a.Zone)
	if f != nil {
		return time.UTC
	}
	return location
}

func parseZone(text string) (*time.Location, *fault) {
	location, err := time.LoadLocation(text)
	if err != nil || text == "" || text == "Local" {
		return nil, wrong("%s is not a time zone", quote(text)).better(`write "UTC", or a name such as "Europe/Berlin"`)
	}
	return location, nil
}

var zone = form[string]{
	words: "the name of a time zone",
	parse: func(text string) (string, *fault) {
		_, f := parseZone(text)
		return text, f
	},
	show: same,
}

func (a *Appliance) section() section {
	return section{name: "appliance", doc: `
What the box is called, and how it tells the time.`,
		settings: []setting{
			{name: "name", value: text(&a.Name, hostName), example: `"mail.example.org"`, doc: `
The host name of the box. It stands in the greeting that mail clients get, in the certificate
that the box makes for itself, and is what it calls itself towards your DHCP server. Best is the name that your
mail clients have as their incoming mail server: a certificate for another name makes them warn their users.`},
			{name: "zone", value: text(&a.Zone, zone), example: `"Europe/Berlin"`, doc: `
The time zone of reports and pages. Logs and what is stored are in UTC whatever it is.`},
			{name: "time_servers", value: list(&a.TimeServers, server(portNTP)), example: `["ptbtime1.ptb.de", "192.168.1.1"]`, doc: `
The time servers (NTP) that the box sets its clock by. A right clock is needed to check the certificates of providers,
and as long as the clock isn't known to be right, nothing is dropped because of its age. With an empty list the box
asks no one. On a workstation the system's clock is taken as it is.`},
		}}
}
