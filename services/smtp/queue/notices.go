package queue

import (
	"fmt"
	"strings"
	"time"

	"postroom/services/contract"
	"postroom/services/smtp/relay"
	"postroom/services/smtp/report"

	"github.com/google/uuid"
)

// maxReturned bounds the mail that a report has in it: with all else of the call it has to be under contract.MaxPut.
const maxReturned = contract.MaxPut - 256<<10

// notices are the reports to the sender of what became of recipients: one for those that failed, one for those that are
// delayed, one for those that are delivered and were to be told of.
func (t *try) notices(outcomes []outcome, results []*contract.RecipientResult) (list []*contract.SubmitMail) {
	if t.sent == nil || t.sent.Sender == "" {
		return nil // nobody wants to hear of a notice (RFC 5321 §6.1)
	}
	kinds := map[report.Action][]report.Recipient{}
	for i, result := range results {
		if one, wanted := reported(t.sent.Recipients[result.Index], outcomes[i], result); wanted {
			kind := one.Action
			if kind == report.Delivered {
				kind = report.Relayed // in one report
			}
			kinds[kind] = append(kinds[kind], one)
		}
	}
	for _, kind := range []report.Action{report.Failed, report.Delayed, report.Relayed} {
		if len(kinds[kind]) > 0 {
			list = append(list, t.notice(kinds[kind]))
		}
	}
	return list
}

// reported is what a report says of a recipient; false: its sender doesn't want to hear of it (RFC 3461 §5.2).
func reported(of *contract.TransportRecipient, o outcome, result *contract.RecipientResult) (r report.Recipient, wanted bool) {
	n := of.Notify
	usual := !n.GetNever() && !n.GetSuccess() && !n.GetFailure() && !n.GetDelay()
	r = report.Recipient{Address: of.Address, Original: of.Original, Reason: result.Text}
	switch {
	case n.GetNever():
		return r, false
	case result.State == contract.RecipientState_FAILED:
		r.Action, wanted = report.Failed, usual || n.GetFailure()
	case result.State == contract.RecipientState_WAITING && result.DelayTold:
		r.Action, wanted = report.Delayed, usual || n.GetDelay()
	case result.State == contract.RecipientState_DELIVERED && o.local != nil:
		r.Action, r.Status, wanted = report.Delivered, "2.0.0", n.GetSuccess()
	case result.State == contract.RecipientState_DELIVERED:
		r.Action, r.Status, wanted = report.Relayed, "2.0.0", n.GetSuccess() && o.relayed
		r.Server, _, _ = strings.Cut(o.server, " ")
	}
	if f := o.failure; f != nil {
		r.Status = f.Status()
		if f.Code != 0 {
			r.Server, _, _ = strings.Cut(f.Host, " ")
			r.Reply = reply(f)
		}
	}
	return r, wanted
}

func reply(f *relay.Failure) string {
	if f.Enhanced == "" {
		return fmt.Sprintf("%d %s", f.Code, f.Text)
	}
	return fmt.Sprintf("%d %s %s", f.Code, f.Enhanced, f.Text)
}

// notice is a report as it goes into the queue.
func (t *try) notice(recipients []report.Recipient) *contract.SubmitMail {
	key := uuid.Must(uuid.NewV7())
	whole := recipients[0].Action == report.Failed && !t.sent.HeadersOnly && t.sent.Body.GetLength() <= maxReturned
	limit := maxHeader
	if whole {
		limit = maxReturned
	}
	original, err := t.original(limit, whole)
	if err != nil {
		t.Log.Warn("a report goes without the mail that it is about", "body", t.mail.id, "err", err)
		original, whole = nil, false
	}
	received := t.sent.Received.AsTime()
	text, eightBit, utf8 := report.Report{
		Key: key, Host: t.settings.Appliance.Name, Domain: t.settings.Users.PseudoDomain, To: t.sent.Sender, Date: time.Now().In(t.settings.Appliance.Location()),
		Arrived: received.In(t.settings.Appliance.Location()), EnvelopeID: t.sent.EnvelopeId, Recipients: recipients,
		Until: received.Add(t.settings.SMTP.GiveUp).In(t.settings.Appliance.Location()), Original: original, Whole: whole,
	}.Bytes()
	return &contract.SubmitMail{
		Key: key[:], Body: text, Recipients: []*contract.SubmitRecipient{{Address: t.sent.Sender}}, EightBit: eightBit, Smtputf8: utf8,
	}
}
