package transfer

import (
	"bytes"
	"io"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"
)

func TestNotice(t *testing.T) {
	t.Parallel()
	original := "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\t=?utf-8?q?_aus?= M\xe4nchen\x00\r\nX-From: nobody\r\nfrom : =?iso-8859-1?q?J=F6rg?=\n <j@example.org>\r\n\r\nDate: in the body\r\n"
	n := notice{
		login: "me@gmx.example", host: "pop.gmx.example", octets: 137<<20 + 1000, limit: 100 << 20, original: []byte(original),
		date: time.Date(2026, 11, 23, 18, 0, 0, 0, time.FixedZone("", 3600)),
	}
	body := n.body()
	for i, line := range bytes.Split(body, []byte("\r\n")) {
		if len(line) > 78 || bytes.ContainsAny(line, "\r\n\x00") || bytes.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
			t.Errorf("line %d: %q", i, line)
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"From": "Postroom <postroom@postroom.invalid>", "To": "<me@gmx.example>", "Date": "Mon, 23 Nov 2026 18:00:00 +0100",
		"Subject": "A mail of 137.0 MiB was left at your provider", "Auto-Submitted": "auto-generated",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if id := m.Header.Get("Message-ID"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@postroom.invalid>") {
		t.Errorf("Message-ID %q", id)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"From:    Jörg <j@example.org>\r\n", "Subject: Grüße aus M�nchen\r\n", "Size:    137.0 MiB\r\n", "Limit:   100 MiB\r\n",
		"me@gmx.example at pop.gmx.example", "max_size",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q isn't in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "Date:") || strings.Contains(string(text), "nobody") {
		t.Errorf("a field that isn't the header's:\n%s", text)
	}
}

func TestNoticeTo(t *testing.T) {
	t.Parallel()
	for login, want := range map[string]string{
		"me@gmx.example": "<me@gmx.example>", "me": "<me@pop.example.org>", "a b": "undisclosed-recipients:;", "jörg": "undisclosed-recipients:;",
		"x>\r\nBcc: y": "undisclosed-recipients:;",
	} {
		if got := (notice{login: login, host: "pop.example.org"}).to(); got != want {
			t.Errorf("%q: got %q, want %q", login, got, want)
		}
	}
}

// FuzzNotice: whatever a mail's header holds, its notice is a mail of ASCII in lines that aren't long.
func FuzzNotice(f *testing.F) {
	f.Add("Subject: x\r\nFrom: =?utf-8?b?4oCu?=\n\t\r\r\n", "me@gmx.example")
	f.Add("Subject: "+strings.Repeat("=?utf-8?q?=0D=0ABcc:_x?= ", 50), "a\r\nb")
	f.Fuzz(func(t *testing.T, original, login string) {
		body := notice{login: login, host: "h", octets: 5, limit: 1, original: []byte(original)}.body()
		header, _, _ := bytes.Cut(body, []byte("\r\n\r\n"))
		if n := bytes.Count(header, []byte("\r\n")); n != 8 {
			t.Errorf("%d lines of a header:\n%s", n+1, header)
		}
		for line := range bytes.SplitSeq(body, []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r > 126 }) {
				t.Errorf("line %q", line)
			}
		}
	})
}
