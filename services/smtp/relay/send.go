package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"postroom/services/bodies"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/idna"
)

// Mail is what is sent in one transaction.
type Mail struct {
	Sender      string // empty: the null sender
	Recipients  []Recipient
	Size        int64
	UTF8        bool   // it was given to the box with SMTPUTF8 (RFC 6531)
	EnvelopeID  string // ENVID, in xtext
	HeadersOnly bool   // RET=HDRS

	// Header gives the mail's header, or what is read of it; it's asked where UTF8 is set and the server hasn't SMTPUTF8.
	Header func() ([]byte, error)
	// WriteTo writes the mail. After an error its end is never sent.
	WriteTo func(io.Writer) error
}

// Recipient is one of a mail's.
type Recipient struct {
	Address  string
	Notify   []smtp.DSNNotify // empty: not said
	Original string           // ORCPT: type;xtext
}

// Send sends a mail. The results are in the order of its recipients; nil: the server has taken over the mail for that one.
// ctx's end breaks the conversation.
func (c *Conn) Send(ctx context.Context, m Mail) []*Failure {
	results := make([]*Failure, len(m.Recipients))
	rest := func(f *Failure) []*Failure {
		for i := range results {
			if results[i] == nil {
				results[i] = f
			}
		}
		return results
	}
	defer context.AfterFunc(ctx, c.line.interrupt)()
	if limit, ok := c.client.MaxMessageSize(); ok && limit > 0 && m.Size > int64(limit) {
		return rest(c.ours(MailFrom, "5.3.4", fmt.Sprintf("it takes mails of up to %d octets, and this one has %d", limit, m.Size)))
	}
	options := &smtp.MailOptions{Size: m.Size, EnvelopeID: printable(fromXtext(m.EnvelopeID))}
	if m.HeadersOnly {
		options.Return = smtp.DSNReturnHeaders
	}
	sender, f := c.fit(&m, options, results)
	if f != nil {
		return rest(f)
	}
	if err := refusal(c.client.Mail(sender, options)); err != nil {
		return rest(c.failed(MailFrom, err, false))
	}
	accepted := 0
	for i, r := range m.Recipients {
		if results[i] != nil {
			continue
		}
		if err := refusal(c.client.Rcpt(r.Address, recipientOptions(r))); err != nil {
			results[i] = c.failed(RcptTo, err, accepted > 0)
			if c.broken {
				return rest(results[i])
			}
			continue
		}
		accepted++
	}
	if accepted == 0 {
		c.reset()
		return results
	}
	if f := c.data(m); f != nil {
		return rest(f)
	}
	return results
}

// data sends the mail itself.
func (c *Conn) data(m Mail) *Failure {
	w, err := c.client.Data()
	if err != nil {
		return c.failed(Data, err, false)
	}
	c.line.beginData()
	g := &guard{w: w}
	if err = m.WriteTo(g); err == nil && g.cr {
		err = errBare
	}
	c.line.endData()
	if err != nil {
		// The end isn't sent: without it nobody takes the mail for whole.
		c.Close()
		if f := c.unsendable(err); f != nil {
			return f
		}
		return c.failed(Body, err, false)
	}
	if err := c.line.flush(); err != nil {
		return c.failed(Body, err, false)
	}
	_, err = w.CloseWithResponse()
	if err = refusal(err); err != nil {
		if c.line.writeErr != nil {
			return c.failed(Body, err, false) // the end is what comes last: it didn't go out
		}
		return c.failed(End, err, false)
	}
	return nil
}

// unsendable is the failure of a mail that can't be sent for what it is here; nil: it's the connection's.
func (c *Conn) unsendable(err error) *Failure {
	var damage *bodies.Damage
	switch {
	case errors.As(err, &damage):
		return &Failure{Stage: Body, Host: c.host, Enhanced: "4.3.0", Damaged: true, Cause: err,
			Text: "the mail is damaged on this box's disk, and was not sent"}
	case errors.Is(err, errBare):
		return c.ours(Body, "5.6.0", "the mail has a CR or LF that ends no line, which some servers take for the end of a mail, and was not sent")
	}
	return nil
}

// refusal is what an error says against what was asked. Any 2xx is consent, whatever else it says (RFC 5321 §4.2.1): go-smtp wants the very
// code, and a mail that was taken would be sent again.
func refusal(err error) error {
	var reply *smtp.SMTPError
	if errors.As(err, &reply) && reply.Code/100 == 2 {
		return nil
	}
	return err
}

// fit makes the envelope one that the server can take: without SMTPUTF8 no address or header may need it. What fails for
// one recipient alone is its result.
func (c *Conn) fit(m *Mail, options *smtp.MailOptions, results []*Failure) (sender string, f *Failure) {
	offered, _ := c.client.Extension("SMTPUTF8")
	sender = m.Sender
	if offered {
		options.UTF8 = m.UTF8 || !ascii(sender)
		for _, r := range m.Recipients {
			options.UTF8 = options.UTF8 || !ascii(r.Address)
		}
		return sender, nil
	}
	const needs = "it doesn't take internationalised mail (SMTPUTF8), which this one is: "
	if sender = downgraded(sender); !ascii(sender) {
		return "", c.ours(MailFrom, "5.6.7", needs+"the sender's address has letters beyond ASCII")
	}
	if m.UTF8 && m.Header != nil {
		header, err := m.Header()
		if f := c.unsendable(err); f != nil {
			return "", f
		}
		if err != nil {
			return "", &Failure{Stage: Body, Host: c.host, Text: "the mail can't be read on this box's disk", Enhanced: "4.3.0", Cause: err}
		}
		if !ascii(string(header)) {
			return "", c.ours(MailFrom, "5.6.7", needs+"its header has letters beyond ASCII")
		}
	}
	recipients := append([]Recipient(nil), m.Recipients...)
	left := 0
	for i := range recipients {
		if recipients[i].Address = downgraded(recipients[i].Address); !ascii(recipients[i].Address) {
			results[i] = c.ours(RcptTo, "5.6.7", needs+"the recipient's address has letters beyond ASCII")
			continue
		}
		left++
	}
	if left == 0 {
		return "", results[0]
	}
	m.Recipients = recipients
	return sender, nil
}

// ours is a permanent failure that nobody had to say.
func (c *Conn) ours(stage Stage, code, text string) *Failure {
	return &Failure{Stage: stage, Host: c.host, Enhanced: code, Text: text, Permanent: true}
}

// failed judges an error, and readies the conversation for the next mail, or ends it.
func (c *Conn) failed(stage Stage, err error, accepted bool) *Failure {
	f := judge(stage, c.host, err, accepted)
	switch {
	case f.Code == 421, f.Code/100 != 4 && f.Code/100 != 5: // behind what is no answer nobody knows where the other side is
		c.Close()
	case stage != RcptTo:
		c.reset()
	}
	return f
}

// reset ends a transaction that was begun.
func (c *Conn) reset() {
	if err := c.client.Reset(); err != nil {
		c.Close()
	}
}

func recipientOptions(r Recipient) *smtp.RcptOptions {
	options := &smtp.RcptOptions{Notify: r.Notify}
	kind, address, ok := strings.Cut(r.Original, ";")
	if !ok {
		return options
	}
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "rfc822":
		options.OriginalRecipientType, options.OriginalRecipient = smtp.DSNAddressTypeRFC822, printable(fromXtext(address))
	case "utf-8":
		// Its own escapes (RFC 6533 §3) are go-smtp's to make; an address that has some is left out.
		if !strings.ContainsAny(address, `\+`) {
			options.OriginalRecipientType, options.OriginalRecipient = smtp.DSNAddressTypeUTF8, address
		}
	}
	return options
}

// downgraded gives an address with its domain in A-labels, which needs no SMTPUTF8.
func downgraded(address string) string {
	at := strings.LastIndexByte(address, '@')
	if ascii(address) || at < 0 {
		return address
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + domain
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// printable gives s, or nothing where go-smtp would refuse to send it.
func printable(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return ""
		}
	}
	return s
}

// fromXtext undoes RFC 3461 §4; what isn't right stays as it is.
func fromXtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			var octet byte
			if _, err := fmt.Sscanf(s[i+1:i+3], "%02X", &octet); err == nil {
				b.WriteByte(octet)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
