package submission

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/mail"
	"strings"
)

// Header is what matters of a mail's header.
type Header struct {
	Date, MessageID bool // there are such
	Received        int  // how many
	Resent          int  // how often a person sent it on (RFC 5322 §3.6.6)
	From            [][]byte
	None            bool // what stands in its place isn't one

	received [][]byte
	kept     [][]byte // of the header, in pieces
}

// parse reads a header, which ends in CRLF or is empty.
func parse(raw []byte) *Header {
	h := &Header{}
	if name, _ := fieldName(raw); name == "" && len(raw) > 0 {
		h.None, h.kept = true, [][]byte{raw}
		return h
	}
	keptFrom := 0
	for at := 0; at < len(raw); {
		end := at + fieldEnd(raw[at:])
		name, value := fieldName(raw[at:end])
		switch name {
		case "bcc", "resent-bcc": // RFC 5322 §3.6.3: nobody is to see it
			h.kept = append(h.kept, raw[keptFrom:at])
			keptFrom = end
		case "date":
			h.Date = true
		case "message-id":
			h.MessageID = true
		case "from":
			h.From = append(h.From, value)
		case "received":
			h.Received++
			h.received = append(h.received, value)
		case "resent-from":
			h.Resent++
		}
		at = end
	}
	h.kept = append(h.kept, raw[keptFrom:])
	return h
}

// fieldEnd gives the length of the field that b begins with, with the lines that go on with it (RFC 5322 §2.2.3).
func fieldEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return len(b)
		}
		at += i + 1
		if at == len(b) || b[at] != ' ' && b[at] != '\t' {
			return at
		}
	}
}

// fieldName gives the name of the field that b begins with, in lower case, and what is behind its colon; "" where it
// begins with none. Blanks before the colon are no part of it (RFC 5322 §4.5).
func fieldName(b []byte) (name string, value []byte) {
	i := bytes.IndexByte(b, ':')
	if i < 0 {
		return "", nil
	}
	word := bytes.TrimRight(b[:i], " \t")
	for _, c := range word {
		if c <= ' ' || c >= 0x7f {
			return "", nil
		}
	}
	return strings.ToLower(string(word)), b[i+1:]
}

// Passed counts how often the mail has passed a box that writes mark into its Received lines.
func (h *Header) Passed(mark string) int {
	n := 0
	for _, value := range h.received {
		if bytes.Contains(value, []byte(mark)) {
			n++
		}
	}
	return n
}

// ErrFrom means that a mail doesn't say in one way who it is from.
var ErrFrom = errors.New("not one From field with addresses")

// Authors gives the addresses of the From field.
func (h *Header) Authors() ([]string, error) {
	if len(h.From) != 1 {
		return nil, ErrFrom
	}
	parser := mail.AddressParser{WordDecoder: &mime.WordDecoder{
		CharsetReader: func(_ string, in io.Reader) (io.Reader, error) { return in, nil }, // names don't matter
	}}
	list, err := parser.ParseList(strings.NewReplacer("\r\n", "").Replace(string(h.From[0])))
	if err != nil || len(list) == 0 {
		return nil, errors.Join(ErrFrom, err)
	}
	var authors []string
	for _, one := range list {
		authors = append(authors, one.Address)
	}
	return authors, nil
}
