package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

// smtp serves the smtp service.
type smtp struct{ *Store }

// Limits of what a client may make the store keep with a mail.
const (
	maxRecipients = 10_000  // of one mail
	maxAddress    = 512     // octets; RFC 5321 §4.5.3.1 asks for 64 + 1 + 255
	maxParameter  = 1024    // octets of ENVID (RFC 3461 §4.4: 100 characters), ORCPT (§4.2: 500)
	maxEnvelope   = 1 << 20 // octets of all of them
)

// SubmitAll takes mails into the Transport Queue.
func (p smtp) SubmitAll(ctx context.Context, q *contract.SubmitAllRequest) (*contract.SubmitAllResponse, error) {
	octets := 0
	for _, m := range q.Mails {
		octets += len(m.GetBody())
	}
	if octets > contract.MaxPut {
		return nil, fmt.Errorf("%w: %d octets of mail, over %d", contract.ErrInvalid, octets, contract.MaxPut)
	}
	all := &contract.SubmitAllResponse{Answers: make([]*contract.SubmitAnswer, len(q.Mails))}
	var calls []*engine.Call
	var submissions []*submission
	var called []int // place in q.Mails
	for i, m := range q.Mails {
		one := &submission{Store: p.Store, mail: m}
		call, err := one.prepare(ctx)
		all.Answers[i] = contract.AnswerSubmit(one.id, err)
		if call != nil {
			calls, submissions, called = append(calls, call), append(submissions, one), append(called, i)
		}
	}
	if len(calls) == 0 {
		return all, nil
	}
	for n, err := range p.db.CommitAll(ctx, calls) {
		one := submissions[n]
		if one.mail.Upload != 0 {
			err = p.endUploads(ctx, []segment.Location{one.large}, []uint64{one.mail.Upload}, err)
		}
		all.Answers[called[n]] = contract.AnswerSubmit(one.id, err)
	}
	return all, nil
}

// submission is a mail on its way into the queue.
type submission struct {
	*Store
	mail  *contract.SubmitMail
	by    sender
	large segment.Location // what its upload has made
	id    uint64           // once it's there
}

// prepare gives what a mail asks of the committer; no call: it was answered before.
func (s *submission) prepare(ctx context.Context) (*engine.Call, error) {
	if err := checkSubmit(s.mail); err != nil {
		return nil, err
	}
	full := s.mayTakeIn(ctx, segment.HeaderSize+len(s.mail.Body))
	if full != nil || s.mail.Upload != 0 {
		// A repetition is answered where the commit can't tell: its upload may be forgotten by now, or the disk be full.
		err := s.db.View(func(r *engine.Reader) error {
			_, err := s.answeredBefore(r)
			return err
		})
		if err != nil || s.id != 0 {
			return nil, err
		}
	}
	if full != nil {
		return nil, full
	}
	call := &engine.Call{}
	if err := s.begin(call); err != nil {
		return nil, err
	}
	call.Plan = func(t *engine.Txn, locations []segment.Location) error {
		s.id = 0
		if s.mail.Upload != 0 {
			return s.enter(t, s.large)
		}
		return s.enter(t, locations[0])
	}
	return call, nil
}

// begin decides whose the mail is, beside the commits, and has a call bring its body, unless its upload does.
func (s *submission) begin(call *engine.Call) error {
	err := s.db.View(func(r *engine.Reader) (err error) {
		s.by, err = s.senderOf(r, s.mail)
		return err
	})
	if err != nil {
		return err
	}
	if s.mail.Upload == 0 {
		call.Bodies = append(call.Bodies, segment.NewBody(segment.Submitted, accountID{}, s.now(), s.mail.Body))
		return nil
	}
	s.large, err = s.uploads.finish(s.mail.Upload, segment.Submitted, accountID{})
	return err
}

// answeredBefore tells whether the mail's key was, and gives its id.
func (s *submission) answeredBefore(r *engine.Reader) (bool, error) {
	var before rows.Put
	known, err := r.Load(engine.Puts, s.mail.Key, &before)
	if known {
		s.id = before.Id
	}
	return known, err
}

// enter puts the mail into the queue; the body that came again with its key is dropped, but not that of an upload which came
// again before it was answered: it's the body that is in the queue.
func (s *submission) enter(t *engine.Txn, l segment.Location) error {
	body := engine.BodyOf(l)
	known, err := s.answeredBefore(&t.Reader)
	if err != nil {
		return err
	}
	again := s.mail.Upload != 0 && !t.Adopt(l)
	if known {
		if !again {
			t.Drop(body)
		}
		return nil
	}
	if again {
		return fmt.Errorf("%w: upload %d was submitted before, under another key", contract.ErrConflict, s.mail.Upload)
	}
	now := t.Now().UnixNano()
	m := &queued{id: t.NewID(), Transport: &rows.Transport{
		Body: body, Sender: s.mail.Sender, Received: now, Client: s.mail.Client, Smtputf8: s.mail.Smtputf8,
		EightBit: s.mail.EightBit, EnvelopeId: s.mail.EnvelopeId, HeadersOnly: s.mail.HeadersOnly,
	}}
	if s.by.owner {
		m.Owner = s.by.account.id[:]
	}
	for _, r := range s.mail.Recipients {
		m.recipients = append(m.recipients, &rows.Recipient{
			Address: r.Address, State: waiting, NextTry: now, Changed: now, Notify: notifyBits(r.Notify), Original: r.Original,
		})
	}
	if err := s.enterTransport(t, m); err != nil {
		return err
	}
	if err := s.remember(t, s.by, s.mail); err != nil {
		return err
	}
	s.id = m.id
	t.Save(engine.Puts, s.mail.Key, &rows.Put{Id: m.id, Sha256: body.Sha256, Time: now})
	return nil
}

// Bits of a row's notify.
const (
	notifyNever = 1 << iota
	notifySuccess
	notifyFailure
	notifyDelay
)

func notifyBits(n *contract.Notify) (bits uint32) {
	for _, one := range []struct {
		set bool
		bit uint32
	}{{n.GetNever(), notifyNever}, {n.GetSuccess(), notifySuccess}, {n.GetFailure(), notifyFailure}, {n.GetDelay(), notifyDelay}} {
		if one.set {
			bits |= one.bit
		}
	}
	return bits
}

func notifyOf(bits uint32) *contract.Notify {
	if bits == 0 {
		return nil
	}
	return &contract.Notify{
		Never: bits&notifyNever != 0, Success: bits&notifySuccess != 0, Failure: bits&notifyFailure != 0, Delay: bits&notifyDelay != 0,
	}
}

// checkSubmit refuses what could never be taken.
func checkSubmit(m *contract.SubmitMail) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if n := len(m.GetKey()); n != putKeySize {
		bad("key of %d octets, not %d", n, putKeySize)
	}
	if (m.GetUpload() != 0) == (len(m.GetBody()) > 0) {
		bad("a body or an upload, and not both")
	}
	if n := len(m.GetRecipients()); n == 0 || n > maxRecipients {
		bad("%d recipients, not 1 to %d", n, maxRecipients)
	}
	octets := len(m.GetSender()) + len(m.GetEnvelopeId())
	if m.GetSender() != "" && !isAddress(m.Sender) {
		bad("sender %.80q", m.Sender)
	}
	if !isParameter(m.GetEnvelopeId()) {
		bad("envelope id %.80q", m.EnvelopeId)
	}
	for i, r := range m.GetRecipients() {
		octets += len(r.GetAddress()) + len(r.GetOriginal())
		if !isAddress(r.GetAddress()) || !isParameter(r.GetOriginal()) {
			bad("recipient %d, %.80q, original %.80q", i, r.GetAddress(), r.GetOriginal())
			break
		}
	}
	if octets > maxEnvelope {
		bad("envelope of %d octets, over %d", octets, maxEnvelope)
	}
	if _, err := netip.ParseAddr(m.GetClient()); m.GetClient() != "" && err != nil {
		bad("client %.80q", m.Client)
	}
	if n := len(m.GetAccount()); n != 0 && n != len(accountID{}) {
		bad("account id of %d octets", n)
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: mail: %w", contract.ErrInvalid, errors.Join(errs...))
	}
	return nil
}

// isAddress says that an address may stand in a row, in a line of SMTP, and on a page. Whether it is one, smtp knows.
func isAddress(text string) bool {
	return text != "" && len(text) <= maxAddress && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func isParameter(text string) bool {
	return len(text) <= maxParameter && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
