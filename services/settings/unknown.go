package settings

import "strings"

// full says that no more problems are taken, so that none need be looked into.
func (p *parser) full() bool { return len(p.problems) >= maxProblems }

// unknown reports a name at the top of the file: a section's, or a setting's that stands outside of its section.
func (p *parser) unknown(name string, e *entry) {
	if e.kind != tableKind && e.kind != blocksKind {
		p.unknownIn(section{}, name, e.line)
		return
	}
	if p.full() {
		return
	}
	path, f := showTable([]string{name}), wrong("there is no such section")
	if e.kind == blocksKind {
		path = "[" + path + "]"
	}
	all := catalogue()
	near := nearest(name, namesOf(all))
	for _, s := range all {
		if s.name == near {
			f.better("did you mean %s?", s.title())
		}
	}
	p.add(e.line, path, f)
}

// unknownIn reports a name that the section doesn't have.
func (p *parser) unknownIn(s section, name string, line int) {
	if p.full() {
		return
	}
	path, f := showPath([]string{name}), wrong("there is no such setting")
	if s.name != "" {
		path = s.name + "." + path
	}
	if name == s.name {
		p.add(line, path, f.better("below %s its settings stand without %q", s.title(), s.name+"."))
		return
	}
	if near := nearest(name, s.names()); near != "" {
		p.add(line, path, f.better("did you mean %q?", near))
		return
	}
	var elsewhere []string
	for _, other := range catalogue() {
		if _, ok := other.setting(name); ok {
			elsewhere = append(elsewhere, name+" in "+other.title())
		}
	}
	switch {
	case len(elsewhere) > 0:
		f.better("there is %s", strings.Join(elsewhere, ", "))
	case s.name == "":
		f.better("a setting stands below the [section] that it belongs to")
	default:
		f.better("%s has %s", s.title(), strings.Join(s.names(), ", "))
	}
	p.add(line, path, f)
}

func namesOf(all []section) []string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.name
	}
	return names
}
