package settings

import (
	"strings"

	"golang.org/x/net/idna"
)

// Pattern is what an envelope's address is held against: one address, all of a domain, all of the domains below it, or,
// the zero Pattern, any.
type Pattern struct {
	local  string // empty: any
	domain string // A-labels, lower case
	below  bool   // the domains below domain, and not domain itself
}

// Any says that every address fits, the null sender too.
func (p Pattern) Any() bool { return p == Pattern{} }

// Matches says whether an address fits. Letter case makes no difference; the null sender fits Any alone.
func (p Pattern) Matches(address string) bool {
	if p.Any() {
		return true
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false
	}
	local, domain := address[:at], asDomain(address[at+1:])
	if p.below {
		return strings.HasSuffix(domain, "."+p.domain)
	}
	return domain == p.domain && (p.local == "" || strings.EqualFold(local, p.local))
}

// covers says that whatever fits other fits p.
func (p Pattern) covers(other Pattern) bool {
	switch {
	case p.Any() || p == other:
		return true
	case other.Any():
		return false
	case p.below:
		return strings.HasSuffix(other.domain, "."+p.domain) || other.below && other.domain == p.domain
	}
	return !other.below && p.domain == other.domain && (p.local == "" || strings.EqualFold(p.local, other.local))
}

func (p Pattern) String() string {
	switch {
	case p.Any():
		return ""
	case p.below:
		return "*@*." + p.domain
	case p.local == "":
		return "*@" + p.domain
	}
	return p.local + "@" + p.domain
}

// asDomain is a domain as it is compared.
func asDomain(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if name, err := idna.Lookup.ToASCII(domain); err == nil {
		return name
	}
	return strings.ToLower(domain)
}

var pattern = form[Pattern]{
	words: "`\"name@domain\"`, `\"*@domain\"`, `\"*@*.domain\"` (the domains below it)",
	parse: parsePattern,
	show:  Pattern.String,
}

// patternOrAny is the form of a pattern that may be left out.
var patternOrAny = form[Pattern]{
	words: pattern.words + ", or `\"\"` for any",
	parse: func(text string) (Pattern, *fault) {
		if text == "" {
			return Pattern{}, nil
		}
		return parsePattern(text)
	},
	show: Pattern.String,
}

func parsePattern(text string) (Pattern, *fault) {
	bad := wrong("%s is neither an address nor a pattern of addresses", quote(text))
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		if _, f := parseName(strings.TrimPrefix(text, "*.")); f == nil {
			return Pattern{}, bad.better("write %s", quote("*@"+text))
		}
		return Pattern{}, bad.better(`write "name@domain", "*@domain" or "*@*.domain"`)
	}
	local, rest := text[:at], text[at+1:]
	p := Pattern{local: local}
	p.domain, p.below = strings.CutPrefix(rest, "*.")
	if local == "*" {
		p.local = ""
	} else if local == "" || strings.ContainsAny(local, "*@ \"<>") {
		return Pattern{}, bad.better(`what stands before the "@" is a whole name, or "*" for all`)
	} else if p.below {
		return Pattern{}, bad.better("write %s for all of the domains below %s", quote("*@"+rest), quote(p.domain))
	}
	name, f := parseName(p.domain)
	if f != nil {
		return Pattern{}, bad.better("what stands behind the \"@\" %s", f.wrong)
	}
	p.domain = name
	return p, nil
}
