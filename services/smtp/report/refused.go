package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-message"
)

// Refused tells an account's user that a relay refuses the account's login, and that mail waits for that.
type Refused struct {
	Key    [16]byte
	Host   string
	Domain string
	To     string // the sender of the mail that waits
	Date   time.Time
	Login  string // as the relay was given it
	Relay  string
	Said   string // the relay's own words
}

// Bytes gives the mail.
func (r Refused) Bytes() []byte {
	var b bytes.Buffer
	h := common(r.Host, r.Domain, r.To, "Your outgoing mail waits: the login was refused", r.Key, r.Date, "auto-generated")
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	h.Set("Content-Transfer-Encoding", "quoted-printable")
	w, err := message.CreateWriter(&b, h)
	must(err)
	text := fmt.Sprintf(`This is the box %s, which your mail goes through.

Your mail goes out through %s, with the login that you collect mail with.
That server refuses the login %s. It said:

    %s

Your mail is kept, and waits. What helps is usually one of these:

  - The password was changed at the provider: enter the new one in your mail
    program. As soon as the box knows it by your next poll, the mail goes out.
  - The provider wants sending over SMTP to be allowed in its own settings first,
    or a password of its own for mail programs.

This is the only word of it, until the login changes.
`, r.Host, r.Relay, r.Login, oneLine(r.Said))
	_, err = w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	must(err)
	must(w.Close())
	return b.Bytes()
}
