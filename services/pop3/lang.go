package pop3

import (
	"bytes"
	"context"
	"strings"
)

// languages are those that replies are written in, the preferred one first. i-default is what anyone can be
// expected to read (RFC 2277 §4.5): English, too.
var languages = []struct{ tag, name string }{
	{"en", "English"},
	{"i-default", "English"},
}

// lang is LANG (RFC 6856 §3). It changes nothing but its own reply: all languages have the same words.
func (s *session) lang(_ context.Context, argument []byte) error {
	wanted := strings.ToLower(string(bytes.TrimRight(argument, " ")))
	if wanted == "" {
		var list []string
		for _, l := range languages {
			list = append(list, l.tag+" "+l.name)
		}
		return s.lines("languages follow", list)
	}
	if wanted == "*" { // RFC 6856 §3.2: the one that the server prefers
		wanted = languages[0].tag
	}
	// RFC 4647 §3.4: what has no language of its own gets the next wider one, so en for en-GB.
	for more := true; more; {
		for _, l := range languages {
			if l.tag == wanted {
				return s.ok(l.tag + " replies are in English")
			}
		}
		i := strings.LastIndexByte(wanted, '-')
		more = i >= 0
		wanted = wanted[:max(i, 0)]
	}
	return &refusal{text: "replies are in English alone: LANG en"}
}

// utf8 is UTF8 (RFC 6856 §2.1). Mail is sent as it is stored, in this mode and without: it came from a provider in a
// session without UTF8, so it is what a client without UTF8 has always got from that provider, octet by octet; and to
// refuse a mail, or to serve another one in its place, would leave the client without it.
func (s *session) utf8(context.Context, []byte) error {
	s.inUTF8 = true
	return s.ok("UTF-8")
}
