// Package report writes the mails that the box sends by itself about mail in the Transport Queue: reports of what became of
// it (RFC 3461 to 3464), and word of a login that a relay refused.
package report

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message"
)

// Action is what became of a mail for a recipient (RFC 3464 §2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered" // into a mailbox of the box
	Relayed   Action = "relayed"   // to a server that doesn't tell what becomes of it
)

// Report is of one mail, and goes to its sender. All its recipients have the same kind of action: failed, delayed, or one of
// the others.
type Report struct {
	Key        [16]byte // the same gives the same report
	Host       string   // the box's own name
	Domain     string   // of the address that it's from
	To         string   // the mail's sender; never the null sender
	Date       time.Time
	Arrived    time.Time // when the box took the mail
	EnvelopeID string    // ENVID, in xtext
	Recipients []Recipient
	Until      time.Time // of delays: when the box gives up

	Original []byte // the mail, or its header
	Whole    bool   // Original is the whole mail
}

// Recipient is one whom the report is about.
type Recipient struct {
	Address  string
	Original string // ORCPT: type;xtext; empty: none
	Action   Action
	Status   string // enhanced code (RFC 3463)
	Server   string // whom the box handed it to, or who refused it; empty: nobody
	Reply    string // that server's reply, as it gave it; empty: the reason is the box's own
	Reason   string // for a person
}

// kinds have the words for each kind of report.
var kinds = map[Action]struct{ subject, intro string }{
	Failed:    {"Your mail couldn't be delivered", "Your mail could not be delivered to:"},
	Delayed:   {"Your mail is delayed", "Your mail could not be delivered yet. There is nothing that you have to do: it is tried again. It waits for:"},
	Delivered: {"Your mail was delivered", "Your mail was delivered to:"},
	Relayed:   {"Your mail was handed on", "Your mail was handed on, to servers that may not tell what becomes of it, for:"},
}

// Bytes gives the mail, with CRLF at each line's end. EightBit says that it has octets beyond ASCII, UTF8 that it needs SMTPUTF8.
func (r Report) Bytes() (text []byte, eightBit, utf8Needed bool) {
	var b bytes.Buffer
	international := !ascii(r.To)
	for _, one := range r.Recipients {
		international = international || !ascii(one.Address) || !ascii(one.Original)
	}
	header := r.header()
	w, err := message.CreateWriter(&b, header)
	must(err)
	part(w, "text/plain", map[string]string{"charset": "utf-8"}, "quoted-printable", "Notification", []byte(r.words()))
	status := "message/delivery-status"
	if international {
		status = "message/global-delivery-status" // RFC 6533 §4
	}
	part(w, status, nil, encoding(international), "Delivery report", []byte(r.status(international)))
	kind := "text/rfc822-headers"
	if r.Whole {
		kind = "message/rfc822"
	}
	headerEnd := bytes.Index(r.Original, []byte("\r\n\r\n"))
	if headerEnd < 0 {
		headerEnd = len(r.Original)
	}
	if !ascii(string(r.Original[:headerEnd])) {
		utf8Needed = true
		if kind = "message/global-headers"; r.Whole {
			kind = "message/global"
		}
	}
	original := !ascii(string(r.Original))
	part(w, kind, nil, encoding(original), "Your mail", r.Original)
	must(w.Close())
	return b.Bytes(), international || original, utf8Needed || international
}

func (r Report) header() message.Header {
	subject := kinds[r.Recipients[0].Action].subject
	h := common(r.Host, r.Domain, r.To, subject, r.Key, r.Date, "auto-replied")
	h.SetContentType("multipart/report", map[string]string{"report-type": "delivery-status", "boundary": "postroom-" + hex.EncodeToString(r.Key[:])})
	return h
}

// common is what stands in the header of each mail of the box.
func common(host, domain, to, subject string, key [16]byte, date time.Time, auto string) message.Header {
	var h message.Header
	fields := [][2]string{
		{"From", "Postroom <postmaster@" + domain + ">"},
		{"To", "<" + to + ">"},
		{"Date", date.Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"Message-ID", "<" + hex.EncodeToString(key[:]) + "@" + host + ">"},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Auto-Submitted", auto}, // RFC 3834 §5
		{"MIME-Version", "1.0"},
	}
	for i := len(fields) - 1; i >= 0; i-- { // each goes on top
		h.Add(fields[i][0], fields[i][1])
	}
	return h
}

func part(w *message.Writer, kind string, parameters map[string]string, encoding, description string, content []byte) {
	var h message.Header
	h.SetContentType(kind, parameters)
	h.Set("Content-Transfer-Encoding", encoding)
	h.Set("Content-Description", description)
	p, err := w.CreatePart(h)
	must(err)
	_, err = p.Write(content)
	must(err)
	must(p.Close())
}

// must is for writing into memory, with a form that is fixed here.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("write a report: %v", err))
	}
}

func encoding(eightBit bool) string {
	if eightBit {
		return "8bit"
	}
	return "7bit"
}

// words are for a person.
func (r Report) words() string {
	var b strings.Builder
	action := r.Recipients[0].Action
	fmt.Fprintf(&b, "This is the box %s, which your mail goes through.\n\n%s\n", r.Host, kinds[action].intro)
	for _, one := range r.Recipients {
		fmt.Fprintf(&b, "\n  <%s>\n", one.Address)
		if one.Reason != "" {
			fmt.Fprintf(&b, "    %s\n", one.Reason)
		}
	}
	if action == Delayed && !r.Until.IsZero() {
		fmt.Fprintf(&b, "\nThe box gives up on %s, and tells you then. This is the only word of the delay.\n", r.Until.Format("Mon, 2 Jan 2006 15:04 MST"))
	}
	if len(r.Original) > 0 {
		what := "The header of your mail"
		if r.Whole {
			what = "Your mail"
		}
		fmt.Fprintf(&b, "\n%s is attached. The box took it on %s.\n", what, r.Arrived.Format("Mon, 2 Jan 2006 15:04 MST"))
	}
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}

// status is the part for programs (RFC 3464 §2).
func (r Report) status(international bool) string {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, oneLine(value))
		}
	}
	kind := "rfc822"
	field("Reporting-MTA", "dns; "+r.Host)
	field("Original-Envelope-Id", r.EnvelopeID)
	field("Arrival-Date", r.Arrived.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	for _, one := range r.Recipients {
		b.WriteString("\r\n")
		if of, address, ok := strings.Cut(one.Original, ";"); ok {
			field("Original-Recipient", of+"; "+address)
		}
		if kind = "rfc822"; !ascii(one.Address) {
			kind = "utf-8"
		}
		field("Final-Recipient", kind+"; "+one.Address)
		field("Action", string(one.Action))
		field("Status", one.Status)
		if one.Server != "" {
			field("Remote-MTA", "dns; "+one.Server)
		}
		switch {
		case one.Reply != "":
			field("Diagnostic-Code", "smtp; "+forStatus(one.Reply, international))
		case one.Reason != "":
			field("Diagnostic-Code", "X-Postroom; "+forStatus(one.Reason, international))
		}
		if one.Action == Delayed && !r.Until.IsZero() {
			field("Will-Retry-Until", r.Until.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
		}
	}
	return b.String()
}

// forStatus gives text that the part for programs can hold.
func forStatus(text string, international bool) string {
	if international || ascii(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, text)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
