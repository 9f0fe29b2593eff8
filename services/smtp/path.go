package smtp

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"postroom/services/mail"
)

var (
	errMailForm = protocolError(501, "5.5.4", "MAIL needs the form MAIL FROM:<name@domain>, or <> for no sender")
	errRcptForm = protocolError(501, "5.5.4", "RCPT needs the form RCPT TO:<name@domain>")
	errUTF8     = &refusal{code: 553, enhanced: "5.6.7", text: "an address with other characters than ASCII needs SMTPUTF8 with MAIL"}
)

// cutPath takes FROM: or TO: and the path behind it off an argument, and gives what the path holds. Blanks in front of the path
// are what many clients send.
func cutPath(argument []byte, keyword string) (path, rest string, ok bool) {
	if len(argument) < len(keyword) || !bytes.EqualFold(argument[:len(keyword)], []byte(keyword)) {
		return "", "", false
	}
	s := strings.TrimLeft(string(argument[len(keyword):]), " ")
	if !strings.HasPrefix(s, "<") {
		return "", "", false
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case '>':
			if quoted {
				continue
			}
			path, rest = s[1:i], s[i+1:]
			return path, strings.TrimLeft(rest, " "), rest == "" || rest[0] == ' '
		}
	}
	return "", "", false
}

// parsePath reads what a path holds that isn't empty. A source route is let go (RFC 5321 §4.1.2, appendix C).
func parsePath(path string) (mail.Address, *refusal) {
	if strings.HasPrefix(path, "@") {
		_, path, _ = strings.Cut(path, ":")
	}
	a, err := mail.ParseAddress(path)
	if err != nil {
		return a, protocolError(553, "5.1.3", err.Error())
	}
	return a, nil
}

// isASCII tells whether a path is one without SMTPUTF8 (RFC 6531 §3.4).
func isASCII(path string) bool {
	for i := range len(path) {
		if path[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
