package misbehave

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// nature is what a provider is like in all sessions. A line each:
//
//	offers: TOP UIDL …        what CAPA says; "nothing": it's refused
//	TLS: implicit             or STLS; none without the line
//	UIDLs: {name}             of each mail, with {name}, {number} and {session}, or octets as in Go; "none": UIDL is refused
//	UIDL of NAME: …           of that mail alone
//	sizes: {size}             in LIST, with {size}, {lf} (line ends counted once) or as a number
//	size of NAME: …           of that mail alone
//	TOP adds: LINE            to each header, and RETR doesn't
//	RETR adds: LINE           to each header, and TOP doesn't; {session} in it
//	hides what was retrieved  in the sessions behind that
//	stuffs no dots
//	loses what comes early    it forgets commands that it got before it had answered the last one
type nature struct {
	offers   *[]string
	tls      string
	uidls    string
	uidlOf   map[string]string
	sizes    string
	sizeOf   map[string]string
	topAdds  string
	retrAdds string
	hides    bool
	noStuff  bool
	deafens  bool
}

var healthy = nature{uidls: "{name}", sizes: "{size}"}

func (n *nature) parse(lines []string) error {
	n.uidlOf, n.sizeOf = map[string]string{}, map[string]string{}
	for _, line := range lines {
		word, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if strings.HasPrefix(value, `"`) {
			text, err := strconv.Unquote(value)
			if err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			value = text
		}
		kind, name, _ := strings.Cut(word, " of ")
		switch {
		case word == "offers" && value == "nothing":
			n.offers = new([]string)
		case word == "offers":
			words := strings.Fields(value)
			n.offers = &words
		case word == "TLS" && (value == "implicit" || value == "STLS"):
			n.tls = value
		case word == "UIDLs":
			n.uidls = value
		case kind == "UIDL":
			n.uidlOf[name] = value
		case word == "sizes":
			n.sizes = value
		case kind == "size":
			n.sizeOf[name] = value
		case word == "TOP adds":
			n.topAdds = value
		case word == "RETR adds":
			n.retrAdds = value
		case line == "hides what was retrieved":
			n.hides = true
		case line == "stuffs no dots":
			n.noStuff = true
		case line == "loses what comes early":
			n.deafens = true
		default:
			return fmt.Errorf("%q: not understood", line)
		}
	}
	return nil
}

// uidl gives what UIDL says of a mail.
func (n *nature) uidl(m *mail, number, session int) string {
	template, own := n.uidlOf[m.name]
	if !own {
		template = n.uidls
	}
	return strings.NewReplacer("{name}", m.uidl, "{number}", strconv.Itoa(number), "{session}", strconv.Itoa(session)).Replace(template)
}

// size gives what LIST says of a mail.
func (n *nature) size(m *mail) string {
	template, own := n.sizeOf[m.name]
	if !own {
		template = n.sizes
	}
	if template == "{lf}" {
		return strconv.Itoa(len(m.octets) - bytes.Count(m.octets, []byte("\r\n")))
	}
	return strings.ReplaceAll(template, "{size}", strconv.Itoa(len(m.octets)))
}
