package smtp

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"postroom/services/contract"
)

var (
	errParameter  = protocolError(501, "5.5.4", "a parameter's value is none, or it came twice")
	errParameters = protocolError(555, "5.5.4", "a parameter that isn't known here")
	errTooLarge   = &refusal{code: 552, enhanced: "5.3.4", text: "the mail is larger than this server takes"}
)

// Limits of parameters, octets (RFC 3461 §4.4, §4.2).
const (
	maxEnvelopeID = 100
	maxOriginal   = 500
)

// parameters reads those of MAIL and RCPT, each by its own function in known (RFC 5321 §4.1.2, esmtp-param).
func parameters(text string, known map[string]func(value string) bool) *refusal {
	seen := make(map[string]bool)
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' }) {
		name, value, _ := strings.Cut(word, "=")
		name = strings.ToUpper(name)
		read := known[name]
		switch {
		case read == nil:
			return errParameters
		case seen[name] || !read(value):
			return errParameter
		}
		seen[name] = true
	}
	return nil
}

// mailParameters reads those of MAIL into m; size is what SIZE says.
func mailParameters(text string, m *envelope) (size int64, bad *refusal) {
	bad = parameters(text, map[string]func(string) bool{
		"SIZE": func(value string) bool { // RFC 1870 §3
			n, err := strconv.ParseUint(value, 10, 63)
			size = int64(n)
			return err == nil && len(value) <= 20
		},
		"BODY": func(value string) bool { // RFC 6152 §2; BINARYMIME isn't offered
			m.eightBit = strings.EqualFold(value, "8BITMIME")
			return m.eightBit || strings.EqualFold(value, "7BIT")
		},
		"SMTPUTF8": func(value string) bool { m.utf8 = true; return value == "" }, // RFC 6531 §3.4
		"AUTH":     func(value string) bool { return isXtext(value) },             // RFC 4954 §5; nobody is believed it
		"RET": func(value string) bool { // RFC 3461 §4.3
			m.headersOnly = strings.EqualFold(value, "HDRS")
			return m.headersOnly || strings.EqualFold(value, "FULL")
		},
		"ENVID": func(value string) bool { // RFC 3461 §4.4
			m.envelopeID = value
			return isXtext(value) && len(value) <= maxEnvelopeID
		},
	})
	return size, bad
}

// rcptParameters reads those of RCPT into r.
func rcptParameters(text string, r *contract.SubmitRecipient) *refusal {
	return parameters(text, map[string]func(string) bool{
		"NOTIFY": func(value string) bool { // RFC 3461 §4.1
			r.Notify = &contract.Notify{}
			words := strings.Split(strings.ToUpper(value), ",")
			for _, word := range words {
				switch word {
				case "NEVER":
					r.Notify.Never = true
				case "SUCCESS":
					r.Notify.Success = true
				case "FAILURE":
					r.Notify.Failure = true
				case "DELAY":
					r.Notify.Delay = true
				default:
					return false
				}
			}
			return !r.Notify.Never || len(words) == 1
		},
		"ORCPT": func(value string) bool { // RFC 3461 §4.2
			kind, address, ok := strings.Cut(value, ";")
			r.Original = value
			return ok && kind != "" && address != "" && isXtext(kind) && isOriginal(address) && len(value) <= maxOriginal
		},
	})
}

// isXtext tells whether s is xtext (RFC 3461 §4).
func isXtext(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
			i += 2
		case c < '!' || c > '~' || c == '=':
			return false
		}
	}
	return s != ""
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

// isOriginal is isXtext for an ORCPT's address, which may be UTF-8 (RFC 6533 §3).
func isOriginal(s string) bool {
	return utf8.ValidString(s) && isXtext(strings.Map(func(r rune) rune {
		if r > '~' {
			return 'x'
		}
		return r
	}, s))
}
