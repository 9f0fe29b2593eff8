package settings

import "slices"

// sockets finds addresses that two services can't both listen on.
func (p *parser) sockets() {
	if p.document.broken {
		return
	}
	type socket struct {
		path string
		at   Listen
		line int // 0: the default
	}
	var all []socket
	add := func(section, name string, ls []Listen) {
		path := section + "." + name
		if slices.ContainsFunc(p.problems, func(one Problem) bool { return one.Path == path }) {
			return
		}
		e := p.document.root.at(section).at(name)
		for i, l := range ls {
			s := socket{path, l, 0}
			if e.line > 0 {
				s.line = e.items[i].line
			}
			all = append(all, s)
		}
	}
	add("pop3", "listen", p.settings.POP3.Listen)
	add("pop3", "listen_tls", p.settings.POP3.ListenTLS)
	add("smtp", "listen", p.settings.SMTP.Listen)
	add("smtp", "listen_submission", p.settings.SMTP.ListenSubmission)
	add("smtp", "listen_tls", p.settings.SMTP.ListenTLS)
	add("console", "listen", p.settings.Console.Listen)
	for i, a := range all {
		for _, b := range all[:i] {
			if !a.at.overlaps(b.at) {
				continue
			}
			if a.line == 0 {
				a, b = b, a
			}
			p.add(a.line, a.path, wrong("%s is taken by %s, which has %s", quote(a.at.String()), b.path, quote(b.at.String())))
			break
		}
	}
}
