package transfer

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postroom/services/fetcher/provider"

	"github.com/google/uuid"
)

// notice is the mail that a user gets in place of one that is over the limit (RFC 5322, RFC 3834 §5).
type notice struct {
	login, host string
	octets      uint64 // at least
	limit       uint64 // octets
	original    []byte // the mail's beginning; may be empty
	date        time.Time
}

// sender is nobody's address (RFC 2606 §2).
const sender = "postroom.invalid"

// maxShown is how much of a field of the mail is shown, characters.
const maxShown = 300

func (n notice) put(e provider.Entry, head digest, replaces *row) *put {
	body := n.body()
	p := newPut(e, replaces)
	p.sha, p.octets = sha256.Sum256(body), int64(len(body))
	p.mail.Notice, p.mail.Limit, p.mail.HeaderDigest, p.mail.Body = true, n.limit, head[:], body
	return p
}

func (n notice) body() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: Postroom <postroom@%s>", sender)
	line("To: %s", n.to())
	line("Date: %s", n.date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	line("Message-ID: <%s@%s>", uuid.Must(uuid.NewV7()), sender)
	line("Subject: A mail of %s was left at your provider", megabytes(n.octets))
	line("Auto-Submitted: auto-generated")
	line("MIME-Version: 1.0")
	line("Content-Type: text/plain; charset=utf-8")
	line("Content-Transfer-Encoding: quoted-printable")
	line("")
	text := quotedprintable.NewWriter(&b)
	fmt.Fprint(text, strings.ReplaceAll(n.text(), "\n", "\r\n"))
	text.Close()
	return b.Bytes()
}

func (n notice) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "A mail for you is larger than this box takes in. It was left where it is, in your mailbox %s at %s.\n\n", n.login, n.host)
	for _, field := range []string{"From", "Subject", "Date"} {
		if value := n.field(field); value != "" {
			fmt.Fprintf(&b, "%-9s%s\n", field+":", value)
		}
	}
	fmt.Fprintf(&b, "%-9s%s\n%-9s%s\n", "Size:", megabytes(n.octets), "Limit:", megabytes(n.limit))
	fmt.Fprintf(&b, `
You can read it or delete it with your provider's own web mail. Or ask who runs this box to raise the limit
(max_size under [fetch] in the settings): the mail is then fetched by itself.

This is the only notice of this mail.
`)
	return b.String()
}

// to is the user's address, where the login is one.
func (n notice) to() string {
	for _, login := range []string{n.login, n.login + "@" + n.host} {
		if a, err := netmail.ParseAddress(login); err == nil && a.Name == "" && !strings.ContainsFunc(login, func(r rune) bool { return r > unicode.MaxASCII }) {
			return a.String()
		}
	}
	return "undisclosed-recipients:;"
}

// field gives a field of the mail's header for a person to read; empty: it isn't there.
func (n notice) field(name string) string {
	rest := n.original
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
			return ""
		}
		found, value, ok := strings.Cut(string(line), ":")
		if !ok || !strings.EqualFold(strings.TrimRight(found, " \t"), name) {
			continue
		}
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			line, rest, _ = bytes.Cut(rest, []byte("\n"))
			value += string(bytes.TrimRight(line, "\r"))
		}
		return shown(value)
	}
	return ""
}

// shown makes a field fit to be read: decoded (RFC 2047), in one line, not long.
func shown(value string) string {
	if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		value = decoded
	}
	value = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(value, "�"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control)
	}), " ")
	if utf8.RuneCountInString(value) > maxShown {
		value = string([]rune(value)[:maxShown]) + " …"
	}
	return value
}

// megabytes shows a size; what is little less than a whole number of MiB isn't shown as one that fits.
func megabytes(octets uint64) string {
	const mib = 1 << 20
	switch {
	case octets < mib:
		return fmt.Sprintf("%d octets", octets)
	case octets%mib == 0:
		return fmt.Sprintf("%d MiB", octets/mib)
	}
	return fmt.Sprintf("%.1f MiB", float64(octets)/mib)
}
