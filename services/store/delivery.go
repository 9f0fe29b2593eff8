package store

import (
	"context"
	"fmt"
	"strings"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"

	"google.golang.org/protobuf/proto"
)

// Bounds of an answer of ListTransport.
const (
	transportPerCall       = 1000
	transportOctetsPerCall = 1 << 20
)

func (p smtp) ListTransport(_ context.Context, q *contract.ListTransportRequest) (*contract.ListTransportResponse, error) {
	list, next, more := p.queue.since(q.Cursor, transportPerCall)
	answer := &contract.ListTransportResponse{}
	octets := 0
	err := p.db.View(func(r *engine.Reader) error {
		for i, c := range list {
			entry, err := transportEntry(r, c.key)
			if err != nil {
				return err
			}
			if octets += proto.Size(entry); octets > transportOctetsPerCall && i > 0 {
				next, more = list[i-1].next, true
				return nil
			}
			answer.Entries = append(answer.Entries, entry)
		}
		return nil
	})
	answer.Cursor, answer.More = next.bytes(), more
	return answer, err
}

func transportEntry(r *engine.Reader, id uint64) (*contract.TransportEntry, error) {
	m, err := findQueued(r, id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return &contract.TransportEntry{Id: id, Gone: true}, nil
	}
	entry := &contract.TransportEntry{Id: id, Sender: m.Sender}
	owner, err := accountIfAny(r, m.Owner)
	if err != nil {
		return nil, err
	}
	if owner != nil {
		entry.Owner, entry.OwnerHost = owner.id[:], owner.Host
	}
	for i, r := range m.recipients {
		if !done(r) {
			entry.Recipients = append(entry.Recipients, &contract.TransportEntryRecipient{
				Index: uint32(i), Address: r.Address, State: contract.RecipientState(r.State), NextTry: timeOf(r.NextTry),
			})
		}
	}
	return entry, nil
}

// contractTransport gives a mail as the contract has it.
func contractTransport(r *engine.Reader, m *queued) (*contract.Transport, error) {
	answer := &contract.Transport{
		Id: m.id, Body: contractBody(m.Body), Sender: m.Sender, Received: timeOf(m.Received), Client: m.Client,
		Smtputf8: m.Smtputf8, EightBit: m.EightBit, EnvelopeId: m.EnvelopeId, HeadersOnly: m.HeadersOnly,
	}
	owner, err := accountIfAny(r, m.Owner)
	if err != nil {
		return nil, err
	}
	if owner != nil {
		answer.Owner, answer.OwnerName = owner.id[:], nameOf(owner.Account).String()
	}
	for _, r := range m.recipients {
		answer.Recipients = append(answer.Recipients, &contract.TransportRecipient{
			Address: r.Address, State: contract.RecipientState(r.State), Tries: r.Tries, NextTry: timeOf(r.NextTry), Changed: timeOf(r.Changed),
			Text: r.Text, Rule: r.Rule, Destination: r.Destination, DelayTold: r.DelayTold, Notify: notifyOf(r.Notify),
			Original: r.Original, Doubt: r.Doubt,
		})
	}
	return answer, nil
}

// BeginDelivery takes recipients of a mail for a runner. That they are about to be tried is on disk when it returns.
func (p smtp) BeginDelivery(ctx context.Context, q *contract.BeginDeliveryRequest) (*contract.BeginDeliveryResponse, error) {
	if err := p.runners.take(ctx, q.Id, q.Runner); err != nil {
		return nil, err
	}
	answer := &contract.BeginDeliveryResponse{}
	sendingNow := uint32(0)
	look := func(r *engine.Reader, begin func(*queued) error) error {
		m, err := loadQueued(r, q.Id)
		if err != nil {
			return err
		}
		sendingNow = m.Sending
		if begin != nil {
			if err := begin(m); err != nil {
				return err
			}
		}
		answer.Mail, err = contractTransport(r, m)
		return err
	}
	var err error
	if len(q.Recipients) == 0 {
		err = p.db.View(func(r *engine.Reader) error { return look(r, nil) })
	} else {
		err = p.db.Update(ctx, func(t *engine.Txn) error {
			return look(&t.Reader, func(m *queued) error {
				if err := begin(t, m, q); err != nil {
					return err
				}
				p.saveTransport(t, m)
				return nil
			})
		})
	}
	if err != nil {
		if sendingNow == 0 {
			p.runners.giveBack(q.Id, q.Runner)
		}
		return nil, err
	}
	return answer, nil
}

func begin(t *engine.Txn, m *queued, q *contract.BeginDeliveryRequest) error {
	for _, i := range q.Recipients {
		if int(i) >= len(m.recipients) {
			return fmt.Errorf("%w: recipient %d of mail %d, which has %d", contract.ErrInvalid, i, q.Id, len(m.recipients))
		}
		r := m.recipients[i]
		switch {
		case r.State == sending && m.Runner == q.Runner:
			continue // a repetition
		case r.State != waiting:
			return fmt.Errorf("%w: recipient %d of mail %d is %v", contract.ErrConflict, i, q.Id, contract.RecipientState(r.State))
		}
		r = m.touch(int(i))
		r.State, r.Changed = sending, t.Now().UnixNano()
	}
	m.Runner = q.Runner
	return nil
}

// EndDelivery records what became of recipients, with the notices that this makes, in one commit.
func (p smtp) EndDelivery(ctx context.Context, q *contract.EndDeliveryRequest) (*contract.EndDeliveryResponse, error) {
	notices, err := p.notices(q.Notices)
	if err != nil {
		return nil, err
	}
	for _, result := range q.Results {
		if err := checkResult(result); err != nil {
			return nil, err
		}
	}
	if err := p.runners.mayEnd(q.Id, q.Runner); err != nil {
		return nil, err
	}
	underWay := false
	err = p.commitNotices(ctx, notices, func(t *engine.Txn) (enter bool, err error) {
		m, err := findQueued(&t.Reader, q.Id)
		if err != nil || m == nil {
			return false, err // it's gone: this was said before, or the owner dropped it
		}
		for _, result := range q.Results {
			if int(result.Index) >= len(m.recipients) {
				return false, fmt.Errorf("%w: recipient %d of mail %d, which has %d", contract.ErrInvalid, result.Index, q.Id, len(m.recipients))
			}
			if err := p.end(t, m, result); err != nil {
				return false, err
			}
		}
		err = p.keepTransport(t, m)
		underWay = m.Sending > 0
		return true, err
	})
	if err == nil && !underWay {
		p.runners.giveBack(q.Id, q.Runner)
	}
	return &contract.EndDeliveryResponse{}, err
}

func checkResult(result *contract.RecipientResult) error {
	switch result.GetState() {
	case contract.RecipientState_WAITING, contract.RecipientState_FAILED, contract.RecipientState_ON_HOLD:
		if len(result.Local) == 0 {
			return nil
		}
	case contract.RecipientState_DELIVERED:
		if n := len(result.Local); n == 0 || n == len(accountID{}) {
			return nil
		}
	}
	return fmt.Errorf("%w: result %v, local %x", contract.ErrInvalid, result.GetState(), result.GetLocal())
}

// Limits of what a try leaves in a row, in octets.
const (
	maxText        = 500
	maxTexts       = 2 << 20 // of all recipients of a mail
	maxRuleName    = 100
	maxDestination = 253
)

// end records what became of one recipient. What is done stays as it is: a repetition changes nothing.
func (s *Store) end(t *engine.Txn, m *queued, result *contract.RecipientResult) error {
	if done(m.recipients[result.Index]) {
		return nil
	}
	r := m.touch(int(result.Index))
	now := t.Now().UnixNano()
	tried := r.State == sending && !result.Untried
	if tried {
		r.Tries++
	}
	if r.State == sending {
		r.State = waiting
	}
	r.Changed = now
	r.Text = cut(result.Text, min(maxText, maxTexts/len(m.recipients)))
	if result.Rule != "" {
		r.Rule, r.Destination = cut(result.Rule, maxRuleName), cut(result.Destination, maxDestination)
	}
	r.DelayTold, r.Doubt = r.DelayTold || result.DelayTold, r.Doubt || result.Doubt
	switch result.State {
	case contract.RecipientState_DELIVERED:
		if err := s.endDelivered(t, m, r, result); err != nil {
			return err
		}
	case contract.RecipientState_FAILED:
		r.State = failed
	case contract.RecipientState_ON_HOLD:
		_, to, err := lookUpRecipient(&t.Reader, r.Address)
		if err != nil {
			return err
		}
		if r.NextTry = now; to == nil && r.State == waiting { // else its user got an account meanwhile
			r.State, r.NoAccount = onHold, true
		}
	default:
		if r.NextTry = now; result.NextTry != nil {
			r.NextTry = result.NextTry.AsTime().UnixNano()
		}
	}
	if done(r) {
		r.Wish = 0
	} else {
		grantWish(t, r)
	}
	if tried || done(r) && !result.Untried {
		return countTry(t, r.Rule, r.Destination, r.State)
	}
	return nil
}

// endDelivered has a recipient delivered: by the next host, or into a user's In Queue, on the same body.
func (s *Store) endDelivered(t *engine.Txn, m *queued, r *rows.Recipient, result *contract.RecipientResult) error {
	r.State = delivered
	if len(result.Local) == 0 {
		s.clearCondition(t, contract.ConditionDamage, queuedSubject(m.id)) // it was sent whole
		return nil
	}
	to, err := accountIfAny(&t.Reader, result.Local)
	if err != nil {
		return err
	}
	if to == nil {
		r.State, r.NextTry, r.Text = waiting, t.Now().UnixNano(), "its user's account was removed"
		return nil
	}
	t.Share(m.Body)
	s.tellQueues(t)
	return enter(t, engine.In, t.NewID(), &rows.Message{Account: to.id[:], Body: m.Body, Received: t.Now().UnixNano()})
}

// cut shortens a text of others to so many octets, and takes out of it what isn't UTF-8.
func cut(text string, most int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// notices checks mails of the box itself that go into the queue with what they tell of.
func (s *Store) notices(list []*contract.SubmitMail) (notices []*submission, err error) {
	octets := 0
	for _, m := range list {
		if err := checkSubmit(m); err != nil {
			return nil, err
		}
		if m.Client != "" || m.Upload != 0 {
			return nil, fmt.Errorf("%w: a notice is the box's own, of no client, and its body stands in the call", contract.ErrInvalid)
		}
		octets += len(m.Body)
		notices = append(notices, &submission{Store: s, mail: m})
	}
	if octets > contract.MaxPut {
		return nil, fmt.Errorf("%w: %d octets of notices, over %d", contract.ErrInvalid, octets, contract.MaxPut)
	}
	return notices, nil
}

// commitNotices makes a change, and has notices enter the queue with it where change says so. The reserve is for them,
// too: nothing would leave a full disk without.
func (s *Store) commitNotices(ctx context.Context, notices []*submission, change func(*engine.Txn) (enter bool, err error)) error {
	call := &engine.Call{}
	for _, n := range notices {
		if err := n.begin(call); err != nil {
			return err
		}
	}
	call.Plan = func(t *engine.Txn, locations []segment.Location) error {
		enter, err := change(t)
		if err != nil {
			return err
		}
		for i, n := range notices {
			if !enter {
				t.Drop(engine.BodyOf(locations[i]))
			} else if err := n.enter(t, locations[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return s.db.Commit(ctx, call)
}
