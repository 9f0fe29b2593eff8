package mail

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxAddress is what a path holds between its angle brackets (RFC 5321 §4.5.3.1.3), octets. The 64 of a local part
// (§4.5.3.1.1) are the least that has to be taken, and less than what mailing lists and Exchange use.
const maxAddress = 254

// Address is an e-mail address, as ParseAddress gives it. Two are the same where their Keys are.
type Address struct {
	Local  string // what the quotes held, where there were some; with its letters as they were typed
	Domain string // lower case, A-labels, no dot at the end; or "[192.0.2.7]", "[IPv6:2001:db8::7]"
}

// AddressError says in fixed words why an address isn't one. It holds nothing of what was given.
type AddressError struct{ Reason string }

func (e *AddressError) Error() string { return e.Reason }

var (
	errAddressForm      = &AddressError{"an address needs the form name@domain"}
	errAddressUTF8      = &AddressError{"the address isn't valid UTF-8"}
	errAddressInvisible = &AddressError{"the address holds a control or invisible character"}
	errAddressLong      = &AddressError{"the address is longer than " + strconv.Itoa(maxAddress) + " octets"}
	errLocal            = &AddressError{`what stands before the @ isn't a name: letters, digits and !#$%&'*+-/=?^_{|}~ with single dots between them, or anything in "quotes"`}
	errQuoted           = &AddressError{"the quotes before the @ hold nothing, or aren't closed right in front of it"}
	errDomain           = &AddressError{"what stands behind the @ isn't a domain"}
	errDomainNumber     = &AddressError{"what stands behind the @ is an IP address without brackets, or a domain that ends in a number"}
	errLiteral          = &AddressError{"what stands in brackets behind the @ isn't an IP address, as in [192.0.2.7] or [IPv6:2001:db8::7]"}
)

// ParseAddress reads an address as it stands between the angle brackets of MAIL and RCPT: Mailbox of RFC 5321 §4.1.2, with
// UTF-8 (RFC 6531 §3.3). Its errors are *AddressError. Source routes and the null sender are none.
func ParseAddress(s string) (Address, error) {
	if len(s) > 4*maxAddress { // escapes and UTF-8 may become less
		return Address{}, errAddressLong
	}
	if !utf8.ValidString(s) {
		return Address{}, errAddressUTF8
	}
	if strings.ContainsFunc(s, invisible) {
		return Address{}, errAddressInvisible
	}
	local, domain, err := cutLocal(s)
	if err != nil {
		return Address{}, err
	}
	a := Address{Local: local}
	if a.Domain, err = parseMailDomain(domain); err != nil {
		return Address{}, err
	}
	if len(a.String()) > maxAddress {
		return Address{}, errAddressLong
	}
	return a, nil
}

// String gives the address as ParseAddress reads it, with quotes where it needs them.
func (a Address) String() string {
	if isDotString(a.Local) {
		return a.Local + "@" + a.Domain
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.Local) + `"@` + a.Domain
}

// Key gives the address's identity: letter case and needless quotes make no difference.
func (a Address) Key() string { return strings.ToLower(a.Local) + "@" + a.Domain }

// cutLocal takes the local part off, and the quotes off it.
func cutLocal(s string) (local, domain string, err error) {
	if strings.HasPrefix(s, `"`) {
		return cutQuoted(s[1:])
	}
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case !ok || local == "":
		return "", "", errAddressForm
	case !isDotString(local):
		return "", "", errLocal
	}
	return local, domain, nil
}

// cutQuoted reads what is behind the opening quote (RFC 5321 §4.1.2, Quoted-string).
func cutQuoted(s string) (local, domain string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) || s[i] >= utf8.RuneSelf {
				return "", "", errQuoted
			}
		case '"':
			domain, ok := strings.CutPrefix(s[i+1:], "@")
			if !ok || b.Len() == 0 {
				return "", "", errQuoted
			}
			return b.String(), domain, nil
		}
		b.WriteByte(s[i])
	}
	return "", "", errQuoted
}

// isDotString tells whether a local part needs no quotes (RFC 5321 §4.1.2, Dot-string; RFC 6531 §3.3).
func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if c := atom[i]; c < utf8.RuneSelf && !isLetterOrDigit(c) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return false
			}
		}
	}
	return true
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// parseMailDomain reads a domain, or an address literal (RFC 5321 §4.1.3).
func parseMailDomain(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		return parseLiteral(inner)
	}
	domain := strings.ToLower(s)
	if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		var err error
		if domain, err = idna.Lookup.ToASCII(s); err != nil {
			return "", errDomain
		}
	}
	domain = strings.TrimSuffix(domain, ".")
	if len(domain) > maxHost {
		return "", errDomain
	}
	last := ""
	for last = range strings.SplitSeq(domain, ".") {
		if !isLabel(last) {
			return "", errDomain
		}
	}
	if isNumber(last) {
		return "", errDomainNumber
	}
	return domain, nil
}

// isLabel tells whether a lower-case label is one of a host's name (RFC 1123 §2.1).
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !isLetterOrDigit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

// parseLiteral reads what is behind the opening bracket.
func parseLiteral(s string) (string, error) {
	s, ok := strings.CutSuffix(s, "]")
	if !ok {
		return "", errLiteral
	}
	const tag = "IPv6:"
	v6 := len(s) >= len(tag) && strings.EqualFold(s[:len(tag)], tag)
	if v6 {
		s = s[len(tag):]
	}
	ip, err := netip.ParseAddr(s)
	switch {
	case err != nil || ip.Zone() != "" || ip.Is6() != v6:
		return "", errLiteral
	case ip.Unmap().Is4(): // one way to write an address
		return "[" + ip.Unmap().String() + "]", nil
	}
	return "[" + tag + ip.String() + "]", nil
}
