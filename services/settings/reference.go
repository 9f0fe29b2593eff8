package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// exampleFile is what a company might have; a test holds it to be a good one.
const exampleFile = `[appliance]
name = "mail.example.org"
zone = "Europe/Berlin"

[pop3]
plaintext_login = "never"

[enrol]
networks = ["192.168.1.0/24"]

[[provider]]
host = "pop3.example.org"
min_interval = "15m"

[[provider]]
host = "mail.intern.example"
address = "192.168.1.20:110"
tls = "none"

[[trusted_network]]
name = "office"
cidr = "192.168.1.0/24"
`

const preface = `# Settings

<!-- Made by "go generate ./services/settings" from the code that defines the settings. Change it there. -->

A box has one settings file, in [TOML](https://toml.io). It says only what is to differ from the defaults on
this page; a box without a file has all of them. The whole file of a company might be:

%s
A file is put in force, at once and without a restart, by the "postroom" command:

    postroom settings check postroom.toml    says what is wrong with a file, and changes nothing
    postroom settings apply postroom.toml    puts a file in force
    postroom settings show                   shows what is in force, defaults included

When an appliance starts, it also takes the file "postroom.toml" in the root of its ESP (the small FAT
partition), if that isn't the one that it took from there before.

A file is taken whole or not at all. If something is wrong, all of it is told at once, each with the line, what
is wrong and what would be right, and what was in force stays in force:

    postroom.toml:7: pop3.plaintext_login: "sometimes" is not one of never, trusted, always

How values are written:

* Text stands in quotes, numbers don't. A longer text, such as a certificate, stands between three quotes.
* A list stands in square brackets, its entries separated by commas: "[]" is the empty list.
* A duration is text, numbers with their units: "90s", "5m", "1h30m". Days and weeks are written in hours: "24h"
  is a day, "168h" a week, "336h" two.
* A host is written as usual, umlauts included; capital letters make no difference. An IPv6 address stands in
  brackets where a port follows: "[2001:db8::5]:995".
* A section may be there once, with its name in single brackets: [pop3]. A block may be there several times, each with
  its name in double brackets above it: [[provider]].

A file has at most 1 MiB, a list 256 entries. On a workstation ("postroom serve") without a file, the box listens
on 127.0.0.1 alone, on the ports 1110, 1995, 1025, 1587, 1465 and 8443; with a file it listens where the file says, or else by the
defaults below.
`

// Reference is the page that explains every setting, as Markdown.
func Reference() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, preface, fenced(exampleFile))
	b.WriteString("\n## All of them\n\n| section | settings |\n| --- | --- |\n")
	all := catalogue()
	for _, s := range all {
		links := make([]string, len(s.settings))
		for i, one := range s.settings {
			links[i] = link(s.name + "." + one.name)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", s.link(), strings.Join(links, ", "))
	}
	for _, s := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.title(), prose(s.doc))
		for _, one := range s.settings {
			path := s.name + "." + one.name
			fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", path, strings.ReplaceAll(prose(one.doc), link(path), path))
			fmt.Fprintf(&b, "* Values: %s\n", one.value.values())
			if one.required {
				b.WriteString("* Default: none, every block needs one\n")
			} else {
				fmt.Fprintf(&b, "* Default: `%s`\n", one.value.literal())
			}
			b.WriteString("\n" + fenced(fmt.Sprintf("%s\n%s = %s\n", s.title(), one.name, one.example)))
		}
	}
	return []byte(b.String())
}

func fenced(text string) string { return "```toml\n" + text + "```\n" }

// prose makes links of the settings that a text names, and wraps it.
func prose(text string) string {
	links := map[string]string{}
	for _, s := range catalogue() {
		for _, one := range s.settings {
			path := s.name + "." + one.name
			links[path] = link(path)
		}
		if s.block {
			links[s.title()] = s.link()
		}
	}
	var pairs []string
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(links))) { // longer names of the same beginning come first
		pairs = append(pairs, name, links[name])
	}
	return wrap(strings.NewReplacer(pairs...).Replace(text), 110)
}

// link leads to a setting's heading, by the anchor that GitHub and others give it.
func link(path string) string {
	return fmt.Sprintf("[`%s`](#%s)", path, strings.ReplaceAll(path, ".", ""))
}

// link leads to a section's heading.
func (s section) link() string {
	return fmt.Sprintf("[`%s`](#%s)", s.title(), s.name)
}

func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
