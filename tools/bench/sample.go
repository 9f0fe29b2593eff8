package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// sampleMail is a mail of so many octets: a short header, and lines of 76 octets that don't compress, with one
// in a hundred that begins with a dot.
func sampleMail(octets int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Anna <anna@example.org>\r\nTo: bench@example.org\r\nSubject: %d octets\r\n"+
		"Message-ID: <%x@example.org>\r\n\r\n", octets, rand.Uint64())
	raw := make([]byte, 57) // 76 octets in base64
	for line := 0; b.Len() < octets; line++ {
		for i := range raw {
			raw[i] = byte(rand.Uint32())
		}
		text := base64.StdEncoding.AppendEncode(nil, raw)
		if line%100 == 99 {
			text[0] = '.'
		}
		b.Write(text)
		b.WriteString("\r\n")
	}
	mail := b.Bytes()[:octets]
	copy(mail[octets-4:], "xx\r\n") // whatever was there, a CR or LF too, is none of a line end's half now
	return mail
}
