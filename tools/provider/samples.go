package provider

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Sample is a mail to fill a mailbox with.
type Sample struct {
	Name    string
	Message []byte
}

// LargeSample is the size of the attachment in the sample "large", octets: the mail itself is longer by base64.
const LargeSample = 15 << 20

// Samples gives mails of many kinds, the same octets each time.
func Samples() []Sample {
	return []Sample{
		{"plain", lines(
			header("plain", "Lunch on Thursday"),
			"Content-Type: text/plain; charset=us-ascii",
			"",
			"Shall we have lunch on Thursday at noon?",
			"",
			"Anna",
		)},
		{"html", lines(
			header("html", "=?UTF-8?Q?Angebot_f=C3=BCr_M=C3=A4rz?="),
			`Content-Type: multipart/alternative; boundary="part"`,
			"",
			"--part",
			"Content-Type: text/plain; charset=utf-8",
			"Content-Transfer-Encoding: quoted-printable",
			"",
			"Unser Angebot f=C3=BCr M=C3=A4rz.",
			"--part",
			"Content-Type: text/html; charset=utf-8",
			"Content-Transfer-Encoding: quoted-printable",
			"",
			"<html><body><h1>Unser Angebot f=C3=BCr M=C3=A4rz</h1></body></html>",
			"--part--",
		)},
		{"attachment", withAttachment("attachment", "The plan", "plan.bin", 70_001)},
		{"8-bit", lines(
			header("8-bit", "Grüße aus München"),
			"Content-Type: text/plain; charset=utf-8",
			"Content-Transfer-Encoding: 8bit",
			"",
			"Schöne Grüße, und bis nächste Woche! – 你好",
			"Latin-1, where it says UTF-8: M\xfcnchen",
		)},
		{"dots", lines(
			header("dots", "Lines that begin with dots"),
			"Content-Type: text/plain; charset=us-ascii",
			"",
			".",
			"..",
			". one dot, and what looks like the end of a mail:",
			"",
			".",
			"",
			"From here on it goes on.",
			"...three dots",
			".",
		)},
		{"no-subject", lines(
			"From: anna@example.org",
			"To: myaccount@gmx.de",
			"Date: Mon, 23 Nov 2026 09:30:00 +0100",
			"Message-ID: <no-subject@example.org>",
			"",
			"I forgot the subject.",
		)},
		{"large", withAttachment("large", "The film, 20 MiB", "film.bin", LargeSample)},
	}
}

// header is what samples have in front of their content's own lines.
func header(id, subject string) string {
	return strings.Join([]string{
		"Return-Path: <anna@example.org>",
		"Received: from mail.example.org (mail.example.org [192.0.2.25])",
		"\tby mx.example.net with ESMTPS; Mon, 23 Nov 2026 09:30:01 +0100",
		"From: Anna Beispiel <anna@example.org>",
		"To: myaccount@gmx.de",
		"Subject: " + subject,
		"Date: Mon, 23 Nov 2026 09:30:00 +0100",
		"Message-ID: <" + id + "@example.org>",
		"MIME-Version: 1.0",
	}, "\r\n")
}

func lines(list ...string) []byte { return []byte(strings.Join(list, "\r\n") + "\r\n") }

// withAttachment is a mail with a text and so many octets that don't compress.
func withAttachment(id, subject, file string, octets int) []byte {
	var b bytes.Buffer
	b.Write(lines(
		header(id, subject),
		`Content-Type: multipart/mixed; boundary="part"`,
		"",
		"--part",
		"Content-Type: text/plain; charset=us-ascii",
		"",
		"It is attached.",
		"--part",
		fmt.Sprintf(`Content-Type: application/octet-stream; name="%s"`, file),
		"Content-Transfer-Encoding: base64",
		fmt.Sprintf(`Content-Disposition: attachment; filename="%s"`, file),
		"",
	))
	content := make([]byte, octets)
	random := rand.NewChaCha8([32]byte([]byte("postroom: the demo's sample mail")))
	random.Read(content)
	text := base64.StdEncoding.EncodeToString(content)
	const width = 76 // RFC 2045 §6.8
	for len(text) > 0 {
		line := text[:min(width, len(text))]
		b.WriteString(line)
		b.WriteString("\r\n")
		text = text[len(line):]
	}
	b.Write(lines("--part--"))
	return b.Bytes()
}
