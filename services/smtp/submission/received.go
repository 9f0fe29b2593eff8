package submission

import (
	"strings"
	"time"
)

// Trace is what the box writes about how it got a mail (RFC 5321 §4.4).
type Trace struct {
	Name   string // the box's
	Mark   string // names this box among all; see Header.Passed
	ID     string // of the mail
	At     time.Time
	Hello  string // what the client says it is; as it was sent
	Client string // its IP address; empty: it is not to be told
	With   string // the protocol, of IANA's mail transmission types
	TLS    string // version and cipher suite; empty: none
}

// Received is the field.
func (t Trace) Received() string {
	var b strings.Builder
	b.WriteString("Received: ")
	if t.Client != "" {
		literal := t.Client
		if strings.Contains(literal, ":") {
			literal = "IPv6:" + literal
		}
		b.WriteString("from " + domain(t.Hello) + " ([" + literal + "])\r\n\t")
	}
	b.WriteString("by " + t.Name + " (Postroom " + t.Mark + ")\r\n\twith " + t.With)
	if t.TLS != "" {
		b.WriteString(" (" + t.TLS + ")")
	}
	b.WriteString(" id " + t.ID + ";\r\n\t" + t.At.Format(time.RFC1123Z) + "\r\n")
	return b.String()
}

// Date is the field.
func (t Trace) Date() string { return "Date: " + t.At.Format(time.RFC1123Z) + "\r\n" }

// MessageID is the field (RFC 5322 §3.6.4).
func (t Trace) MessageID() string { return "Message-ID: <" + t.ID + "@" + t.Name + ">\r\n" }

// maxHello is the longest name that is repeated, octets.
const maxHello = 255

// domain gives what a client said it is, if that can stand in the field: its octets are a stranger's.
func domain(hello string) string {
	for i := range len(hello) {
		c := hello[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._:[]", c) >= 0) {
			return "unknown"
		}
	}
	if hello == "" || len(hello) > maxHello {
		return "unknown"
	}
	return hello
}

// Top gives what stands above a mail with that header.
func (t Trace) Top(h *Header) []byte {
	top := t.Received()
	if !h.MessageID {
		top += t.MessageID()
	}
	if !h.Date {
		top += t.Date()
	}
	if h.None {
		top += "\r\n" // what follows isn't to be taken for part of it
	}
	return []byte(top)
}
