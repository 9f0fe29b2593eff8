package settings

import "slices"

// A setting is one name of the file: where its value lives in a Settings, how it is
// written, and what it means. Parse, Encode and the reference all read this one table.
type setting struct {
	name     string
	value    value
	required bool   // a block can't leave it out
	doc      string // Markdown, for the administrator
	example  string // as TOML
}

// A section is a [name] of the file, or one [[name]] of several.
type section struct {
	name     string
	block    bool
	doc      string // Markdown
	settings []setting
}

func (s section) names() []string {
	names := make([]string, len(s.settings))
	for i, one := range s.settings {
		names[i] = one.name
	}
	return names
}

func (s section) setting(name string) (setting, bool) {
	i := slices.IndexFunc(s.settings, func(one setting) bool { return one.name == name })
	if i < 0 {
		return setting{}, false
	}
	return s.settings[i], true
}

func (s section) title() string {
	if s.block {
		return "[[" + s.name + "]]"
	}
	return "[" + s.name + "]"
}

// sections binds the sections that are there once to s.
func (s *Settings) sections() []section {
	return []section{
		s.Appliance.section(), s.Network.section(), s.TLS.section(), s.POP3.section(), s.Fetch.section(),
		s.Enrol.section(), s.Users.section(), s.SMTP.section(), s.Console.section(),
	}
}

// blocks binds the sections that may be there several times, in the order of the file.
func (s *Settings) blocks() []section {
	var all []section
	for i := range s.Providers {
		all = append(all, s.Providers[i].section())
	}
	for i := range s.TrustedNetworks {
		all = append(all, s.TrustedNetworks[i].section())
	}
	for i := range s.LocalDomains {
		all = append(all, s.LocalDomains[i].section())
	}
	for i := range s.TransportRules {
		all = append(all, s.TransportRules[i].section())
	}
	return all
}

// catalogue is every section once, with the defaults.
func catalogue() []section {
	provider, rule := DefaultProvider(""), defaultTransportRule()
	return append(Default().sections(), provider.section(), new(TrustedNetwork).section(), new(LocalDomain).section(), rule.section())
}

// allNames gives every name that a setting or section of the file may have.
func allNames() []string {
	var names []string
	for _, s := range catalogue() {
		names = append(append(names, s.name), s.names()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
