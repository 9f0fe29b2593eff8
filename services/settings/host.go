package settings

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"postroom/services/mail"
)

// parseHost gives the host as a compound name holds it: so a profile is found by the name
// that a user typed.
func parseHost(text string) (string, *fault) {
	bad := wrong("%s is not a host name", quote(text))
	addr, err := netip.ParseAddr(text)
	if err == nil && addr.Zone() != "" {
		return "", wrong("%s has a zone, which means nothing on another machine", quote(text))
	}
	switch inner := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"); {
	case text == "":
		return "", wrong("is empty").better("write a host name")
	case err == nil:
	case strings.ContainsAny(text, "/@"):
		return "", bad.better(`write the host alone, such as "pop3.example.org"`)
	case inner != text:
		return "", bad.better("write an address without brackets: %s", quote(inner))
	case strings.Contains(text, ":"):
		return "", bad.better("write the host without a port")
	}
	name, err := mail.ParseHost(text)
	last := text[strings.LastIndexByte(text, '.')+1:]
	if err != nil && last != "" && strings.Trim(last, "0123456789") == "" {
		return "", bad.better("it ends in a number, as an address does, and is none")
	}
	if err != nil || !utf8.ValidString(text) {
		return "", bad
	}
	return name, nil
}

// parseName is parseHost for what can't be an address.
func parseName(text string) (string, *fault) {
	name, f := parseHost(text)
	if _, err := netip.ParseAddr(name); err == nil {
		return "", wrong("%s is an address where a name is wanted", quote(text))
	}
	return name, f
}

func same(text string) string { return text }

// maxHostName is Linux's HOST_NAME_MAX, and what a certificate's common name holds.
const maxHostName = 64

var (
	// host is the form of a server's name or address.
	host = form[string]{"a host name or an address", parseHost, same}

	// domain is the form of a name that is no address.
	domain = form[string]{"a domain name", parseName, same}

	// hostName is the form of a machine's own name.
	hostName = form[string]{"a host name of at most 64 characters", func(text string) (string, *fault) {
		name, f := parseName(text)
		if f == nil && len(name) > maxHostName {
			f = wrong("%s is longer than %d characters", quote(text), maxHostName)
		}
		return name, f
	}, same}
)
