package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// sampleMail is a mail of so many octets: a short header, and lines of 76 octets that don't compress, with one
// in a hundred that begins with a dot.
func sampleMail(octets int) []byte {
	return sampleMailOf(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), octets)
}

func sampleMailOf(random *rand.Rand, octets int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Anna <anna@example.org>\r\nTo: bench@example.org\r\nSubject: %d octets\r\n"+
		"Message-ID: <%x@example.org>\r\n\r\n", octets, random.Uint64())
	raw := make([]byte, 57+7) // 76 octets in base64, and what is over
	for line := 0; b.Len() < octets; line++ {
		for i := 0; i < len(raw); i += 8 {
			binary.LittleEndian.PutUint64(raw[i:], random.Uint64())
		}
		text := base64.StdEncoding.AppendEncode(nil, raw[:57])
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
