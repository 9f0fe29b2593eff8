package settings

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// MaxFile is the longest settings file, octets.
const MaxFile = 1 << 20

// Parse reads a settings file; what it leaves out has the default. The error is an
// *Invalid with everything that is wrong, and then there are no settings. name is what
// the problems call the file.
func Parse(name string, text []byte) (*Settings, error) {
	r := &report{file: name}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // Windows' editors put it there
	switch {
	case len(text) > MaxFile:
		r.add(newLines(text).line(MaxFile), "", wrong("the file is %d octets long; at most %d", len(text), MaxFile))
		return nil, r.err()
	case !utf8.Valid(text):
		r.add(newLines(text).line(validPart(text)), "", wrong("this is not UTF-8 text").better("save the file as UTF-8"))
		return nil, r.err()
	}

	p := &parser{report: r, settings: Default()}
	p.document = readDocument(text, r)
	p.read()
	if len(r.problems) == 0 {
		p.secondOpinion(text)
		if n := len(p.settings.Encode()); n > MaxFile {
			r.add(0, "", wrong("written out in full these settings are %d octets long; at most %d", n, MaxFile))
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return p.settings, nil
}

type parser struct {
	*report
	document *document
	settings *Settings
}

func (p *parser) read() {
	s, root := p.settings, p.document.root
	sections := s.sections()
	for _, name := range root.names {
		e := root.table[name]
		i := slices.IndexFunc(sections, func(one section) bool { return one.name == name })
		switch {
		case i >= 0 && e.kind == tableKind:
			p.section(sections[i], e)
		case i >= 0:
			p.add(e.line, sections[i].title(), wrong("is %s where a section is wanted", kindWords[e.kind]).
				better("write [%s] on a line of its own, and its settings below", name))
		case name == "provider":
			p.providers(e)
		case name == "trusted_network":
			p.trustedNetworks(e)
		case name == "local_domain":
			p.localDomains(e)
		case name == "transport_rule":
			p.transportRules(e)
		default:
			p.unknown(name, e)
		}
	}
	p.sockets()
}

// section takes one table, and says whether nothing was wrong with it.
func (p *parser) section(s section, e *entry) bool {
	before := len(p.problems)
	for _, name := range e.names {
		if one, ok := s.setting(name); ok {
			one.value.set(e.table[name], s.name+"."+name, p.report)
			continue
		}
		p.unknownIn(s, name, e.table[name].line)
	}
	for _, one := range s.settings {
		if one.required && e.table[one.name] == nil && !p.document.broken {
			p.add(e.line, s.name+"."+one.name, wrong("is missing: every %s needs one", s.title()).
				better("write for example %s = %s", one.name, one.example))
		}
	}
	if len(p.problems) > before || p.document.broken {
		return false
	}
	switch s.name {
	case "network":
		p.complain(e, "network.gateway", "gateway", "address", p.settings.Network.check())
	case "tls":
		t := p.settings.TLS
		at := "key"
		if t.Key.Reveal() == "" {
			at = "certificate"
		}
		p.complain(e, "tls."+at, at, "", checkPair(t.Certificate, t.Key.Reveal()))
	case "fetch":
		p.complain(e, "fetch.retry_longest", "retry_longest", "retry_first", p.settings.Fetch.check())
	case "pop3":
		if len(p.settings.POP3.Listen)+len(p.settings.POP3.ListenTLS) == 0 {
			p.complain(e, "pop3.listen_tls", "listen_tls", "listen",
				wrong("is empty, and so is pop3.listen: no client could collect its mail").better(`write for example [":995"]`))
		}
	}
	return len(p.problems) == before
}

// complain reports f at the line of one of two names, or else of the table.
func (p *parser) complain(e *entry, path, name, other string, f *fault) {
	if f != nil {
		p.add(firstLine(e.at(name), e.at(other), e), path, f)
	}
}

func firstLine(entries ...*entry) int {
	for _, e := range entries {
		if e.line > 0 {
			return e.line
		}
	}
	return 0
}

// blocks gives each table of a [[name]].
func (p *parser) blocks(name string, e *entry) []*entry {
	right := "write [[" + name + "]] above each block"
	if e.kind == tableKind {
		p.add(e.line, "["+name+"]", wrong("each of these is a block of its own").better("%s", right))
		return nil
	}
	if e.kind != blocksKind && e.kind != listKind {
		p.add(e.line, "[["+name+"]]", wrong("is %s where blocks are wanted", kindWords[e.kind]).better("%s", right))
		return nil
	}
	var tables []*entry
	for _, item := range e.items {
		if item.kind != tableKind {
			p.add(item.line, "[["+name+"]]", wrong("is %s where a block is wanted", kindWords[item.kind]).better("%s", right))
			continue
		}
		tables = append(tables, item)
	}
	return tables
}

func (p *parser) providers(e *entry) {
	hosts := names{}
	for _, e := range p.blocks("provider", e) {
		one := DefaultProvider("")
		one.BuiltIn = false
		if p.section(one.section(), e) {
			p.complain(e, "provider.address", "address", "host", one.check())
		}
		hosts.once(p, e, "provider.host", one.Host)
		p.settings.Providers = append(p.settings.Providers, one)
	}
}

func (p *parser) trustedNetworks(e *entry) {
	taken := names{}
	for _, e := range p.blocks("trusted_network", e) {
		var one TrustedNetwork
		p.section(one.section(), e)
		taken.once(p, e, "trusted_network.name", one.Name)
		p.settings.TrustedNetworks = append(p.settings.TrustedNetworks, one)
	}
}

func (p *parser) localDomains(e *entry) {
	taken := names{}
	for _, e := range p.blocks("local_domain", e) {
		var one LocalDomain
		p.section(one.section(), e)
		taken.once(p, e, "local_domain.name", one.Name)
		p.settings.LocalDomains = append(p.settings.LocalDomains, one)
	}
}

// transportRules looks for rules that can never match among those that have nothing else wrong.
func (p *parser) transportRules(e *entry) {
	taken := names{}
	lines := map[string]int{} // of rules that are good, by name
	for _, e := range p.blocks("transport_rule", e) {
		one := defaultTransportRule()
		ok := p.section(one.section(), e)
		if ok {
			name, f := one.check(e.at("tls").line > 0)
			p.complain(e, "transport_rule."+name, name, "name", f)
			ok = f == nil
		}
		ok = taken.once(p, e, "transport_rule.name", one.Name) && ok
		for _, before := range p.settings.TransportRules {
			if line := lines[before.Name]; ok && line > 0 && before.hides(one) {
				p.add(e.line, "transport_rule "+quote(one.Name), wrong("can never match: whatever it is for, %s on line %d takes before it", quote(before.Name), line).
					better("put it before that one, or leave it out"))
				break
			}
		}
		if ok {
			lines[one.Name] = e.line
		}
		p.settings.TransportRules = append(p.settings.TransportRules, one)
	}
}

// names are those that blocks of one kind have, with the line of each.
type names map[string]int

// once reports a block whose name another one has, and says whether none does.
func (n names) once(p *parser, e *entry, path, name string) bool {
	line := e.at(path[strings.IndexByte(path, '.')+1:]).line
	if first := n[name]; first > 0 && name != "" {
		p.add(line, path, wrong("%s has a block already: on line %d", quote(name), first))
		return false
	}
	n[name] = line
	return true
}

// secondOpinion lets go-toml itself read what seems to be right, for rules of TOML that
// only its decoder knows.
func (p *parser) secondOpinion(text []byte) {
	err := toml.Unmarshal(text, &map[string]any{})
	if err == nil {
		return
	}
	line := 0
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ = e.Position()
	}
	p.add(line, "", wrong("this is not TOML: %s", strings.TrimPrefix(err.Error(), "toml: ")))
}

// validPart is the length of the UTF-8 that text begins with.
func validPart(text []byte) int {
	n := 0
	for n < len(text) {
		c, size := utf8.DecodeRune(text[n:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}
