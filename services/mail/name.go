// Package mail reads what Postroom has to know of a mail, in bounded memory whatever is sent:
// its header and parts, and the compound name that an account is logged in to by.
package mail

import (
	"iter"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of a compound name, in octets.
const (
	// MaxLogin is what a command to the provider holds beside "USER ", CRLF (RFC 2449 §4).
	MaxLogin = 255 - len("USER ") - len("\r\n")
	maxHost  = 253 // RFC 1035 §2.3.4, as text without the last dot
	maxLabel = 63  // RFC 1035 §2.3.4
)

// Name is a compound name, login@host[:port], as ParseName gives it. Two are of one account
// where their Keys are the same.
type Name struct {
	Login string // as typed, with what is behind its last @ lower-cased
	Host  string // lower case, A-labels, no dot at the end; an IP address without brackets
	Port  uint16 // 0: none was typed
}

// NameError says in fixed words, for the person who typed it, why a compound name isn't one.
// It holds nothing of what was typed.
type NameError struct{ Reason string }

func (e *NameError) Error() string { return e.Reason }

var (
	errForm      = &NameError{"the account name needs the form login@provider-host, for example myaccount@gmx.de@pop3.gmx.de"}
	errUTF8      = &NameError{"the account name isn't valid UTF-8"}
	errInvisible = &NameError{"the account name holds a control or invisible character"}
	errLogin     = &NameError{"the login in front of the provider's host is empty, or begins or ends with @ or a space; the account name needs the form login@provider-host"}
	errLoginLong = &NameError{"the login in front of the provider's host is longer than " + strconv.Itoa(MaxLogin) + " octets"}
	errHost      = &NameError{"what stands behind the last @ isn't a host name or an IP address; the account name needs the form login@provider-host, for example myaccount@gmx.de@pop3.gmx.de"}
	errHostLong  = &NameError{"the provider's host name behind the last @ is longer than " + strconv.Itoa(maxHost) + " octets"}
	errIPv6      = &NameError{"an IPv6 address behind the last @ is written in brackets, for example [2001:db8::1] or [2001:db8::1]:995, and without a zone"}
	errPort      = &NameError{"the port behind the provider's host is a number from 1 to 65535, for example pop3.gmx.de:995"}
)

// ParseName reads login@host[:port], split at the last @; its errors are *NameError. An IPv6
// address is in brackets. It goes by RFC 6856 (UTF-8 in a login) and RFC 5891 (host).
func ParseName(s string) (Name, error) {
	if !utf8.ValidString(s) {
		return Name{}, errUTF8
	}
	if strings.ContainsFunc(s, invisible) {
		return Name{}, errInvisible
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Name{}, errForm
	}
	login, err := parseLogin(s[:at])
	if err != nil {
		return Name{}, err
	}
	host, port, err := parseEndpoint(s[at+1:])
	if err != nil {
		return Name{}, err
	}
	return Name{Login: login, Host: host, Port: port}, nil
}

// invisible tells what a name can't hold: it would look like another one on a page or in a log.
func invisible(r rune) bool { return !unicode.IsPrint(r) }

func parseLogin(s string) (string, error) {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		s = s[:at] + strings.ToLower(s[at:])
	}
	if s == "" || strings.ContainsRune("@ ", rune(s[0])) || strings.ContainsRune("@ ", rune(s[len(s)-1])) {
		return "", errLogin
	}
	if len(s) > MaxLogin {
		return "", errLoginLong
	}
	return s, nil
}

// Endpoint gives host[:port] for identity: 110, 995 and no port are one.
func (n Name) Endpoint() string {
	if n.Port == 110 || n.Port == 995 {
		n.Port = 0
	}
	return n.hostPort()
}

// Key gives the account's identity: the same for two names of one account.
func (n Name) Key() string { return n.Login + "@" + n.Endpoint() }

// Folded gives a Key that is the same, too, where logins differ only in case.
func (n Name) Folded() string {
	return strings.ToLower(strings.ToUpper(n.Login)) + "@" + n.Endpoint()
}

// String gives the name as ParseName reads it.
func (n Name) String() string { return n.Login + "@" + n.hostPort() }

// IP gives the host's address where the host is one.
func (n Name) IP() (netip.Addr, bool) {
	ip, err := netip.ParseAddr(n.Host)
	return ip, err == nil
}

func (n Name) hostPort() string {
	host := n.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if n.Port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(int(n.Port))
}

// UserNames gives the names to try for the account's user, in turn and without end: the login
// with @ turned into +, that with +host, and then with -2, -3 and so on behind it. (An IPv6
// host has - for its colons: the name is the local part of an address, too.)
func (n Name) UserNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		login := strings.ReplaceAll(n.Login, "@", "+")
		long := login + "+" + strings.ReplaceAll(n.Host, ":", "-")
		if !yield(login) || !yield(long) {
			return
		}
		for i := 2; yield(long + "-" + strconv.Itoa(i)); i++ {
		}
	}
}

// parseEndpoint reads host[:port].
func parseEndpoint(s string) (host string, port uint16, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		return parseIPv6(rest)
	}
	host, digits, hasPort := strings.Cut(s, ":")
	if strings.Contains(digits, ":") {
		if _, err := netip.ParseAddr(s); err == nil {
			return "", 0, errIPv6
		}
	}
	if hasPort {
		if port, err = parsePort(digits); err != nil {
			return "", 0, err
		}
	}
	host, err = ParseHost(host)
	return host, port, err
}

// parseIPv6 reads what is behind the opening bracket.
func parseIPv6(s string) (host string, port uint16, err error) {
	address, rest, ok := strings.Cut(s, "]")
	ip, err := netip.ParseAddr(address)
	if !ok || err != nil || !ip.Is6() || ip.Zone() != "" {
		return "", 0, errIPv6
	}
	if rest != "" {
		digits, ok := strings.CutPrefix(rest, ":")
		if !ok {
			return "", 0, errIPv6
		}
		if port, err = parsePort(digits); err != nil {
			return "", 0, err
		}
	}
	return ip.Unmap().String(), port, nil
}

func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 || s[0] == '0' {
		return 0, errPort
	}
	return uint16(port), nil
}

// ParseHost gives a provider's host as a Name holds it: a host name in lower case and
// A-label form (RFC 5891 §5, the Lookup profile) without a dot at its end, or an IP address,
// IPv6 without brackets.
func ParseHost(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		if ip.Zone() != "" {
			return "", errIPv6
		}
		return ip.Unmap().String(), nil
	}
	if len(s) > 4*maxHost { // the longest UTF-8 of 253 characters
		return "", errHostLong
	}
	host, err := idna.Lookup.ToASCII(s)
	if err != nil {
		return "", errHost
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if len(host) > maxHost {
		return "", errHostLong
	}
	last := ""
	for last = range strings.SplitSeq(host, ".") {
		if last == "" || len(last) > maxLabel {
			return "", errHost
		}
	}
	if !isNumber(last) {
		return host, nil
	}
	// Digits of another script may have become an address; what else ends in a number, such
	// as 127.1 or 0x7f000001, a resolver may take for one that was never checked.
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", errHost
	}
	return ip.String(), nil
}

// isNumber tells whether a host's last label makes some resolvers read an address.
func isNumber(label string) bool {
	if strings.HasPrefix(label, "0x") {
		return strings.Trim(label[2:], "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
