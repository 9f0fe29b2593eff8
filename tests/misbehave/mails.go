package misbehave

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// mail is a mail, or a later version of one.
type mail struct {
	name   string
	uidl   string
	octets []byte
}

// made are the mails that a text can't hold:
//
//	NAME = "octets, written as in Go"
//	NAME = lines of 3 MiB
//	NAME = a line of 10 MiB
//	NAME = 30 small ones       NAME1 to NAME30
//	NAME = the same as OTHER
var made = regexp.MustCompile(`^(\w+) = (?:(".*")|(lines|a line) of (\d+) MiB|(\d+) small ones|the same as (\w+))$`)

func makeMails(lines []string, mails []*mail) ([]*mail, error) {
	for _, line := range lines {
		m := made.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%q: not understood", line)
		}
		name, header := m[1], fmt.Sprintf("From: a@example.org\r\nSubject: %s\r\n\r\n", m[1])
		var octets []byte
		switch {
		case m[2] != "":
			text, err := strconv.Unquote(m[2])
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			octets = []byte(text)
		case m[3] != "":
			mib, _ := strconv.Atoi(m[4])
			pattern := "0123456789 abcdefghijklmnopqrstuvwxyz "
			if m[3] == "lines" {
				pattern = ".a dot in front of it, then " + strings.Repeat(pattern, 24) + "\r\n"
			}
			octets = append([]byte(header), strings.Repeat(pattern, mib<<20/len(pattern))...)
			octets = append(octets, "\r\n"...)
		case m[5] != "":
			n, _ := strconv.Atoi(m[5])
			for i := 1; i <= n; i++ {
				name := fmt.Sprint(name, i)
				mails = append(mails, &mail{name: name, uidl: name, octets: fmt.Appendf(nil, "Subject: %s\r\n\r\nbody of %s\r\n", name, name)})
			}
			continue
		default:
			for _, other := range mails {
				if other.name == m[6] {
					octets = other.octets
				}
			}
			if octets == nil {
				return nil, fmt.Errorf("%q: no such mail in front of it", line)
			}
		}
		mails = append(mails, &mail{name: name, uidl: name, octets: octets})
	}
	return mails, nil
}

// header gives a mail's header and the empty line behind it, as TOP n 0 does.
func header(octets []byte) []byte {
	if i := bytes.Index(octets, []byte("\r\n\r\n")); i >= 0 {
		return octets[:i+4]
	}
	return octets
}

// onWire gives octets as a multi-line reply carries them, the final dot included (RFC 1939 §3).
func onWire(octets []byte, stuff bool) []byte {
	b := octets
	if stuff {
		b = bytes.ReplaceAll(octets, []byte("\r\n."), []byte("\r\n.."))
		if bytes.HasPrefix(b, []byte(".")) {
			b = append([]byte("."), b...)
		}
	}
	end := "\r\n.\r\n"
	if len(b) == 0 || bytes.HasSuffix(b, []byte("\r\n")) {
		end = ".\r\n"
	}
	return append(b[:len(b):len(b)], end...)
}
