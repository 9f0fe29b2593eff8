package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// mailboxPerCall bounds an answer of OpenMailbox, in octets of rows.
const mailboxPerCall = 1 << 20

// newUIDL gives a UIDL that was never used: 128 random bits (RFC 1939 §7: 1 to 70 characters).
func newUIDL() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func contractBody(b *rows.Body) *contract.Body {
	return &contract.Body{
		Segment: b.Segment, Offset: b.Offset, Length: b.Length,
		Crc32C: b.Crc32C, Sha256: b.Sha256, OpenEnd: b.OpenEnd,
	}
}

// OpenMailbox gives an account's Out Queue, without what is held as damaged. That is looked at again, for the next poll.
func (p pop3) OpenMailbox(ctx context.Context, q *contract.OpenMailboxRequest) (*contract.OpenMailboxResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	if q.After == 0 {
		if err := p.leases.take(ctx, id, lease{q.Server, q.Session}); err != nil {
			return nil, err
		}
	}
	answer := &contract.OpenMailboxResponse{}
	err = p.db.View(func(r *engine.Reader) error {
		a, err := loadAccount(r, id)
		if err != nil {
			return err
		}
		answer.Retrieved = int64(p.retention(a))
		var after []byte
		if q.After != 0 {
			after = messageKey(engine.Out, id, q.After)
		}
		octets := 0
		for key, value := range r.Scan(engine.Out, id[:], after) {
			if octets += len(value) + 64; octets > mailboxPerCall && len(answer.Messages) > 0 {
				answer.More = true
				return nil
			}
			var m rows.Message
			if _, err := r.Load(engine.Out, key, &m); err != nil {
				return err
			}
			if m.Damaged {
				p.damage.lookAgain(id, idOfKey(key))
			} else {
				answer.Messages = append(answer.Messages, &contract.MailboxMessage{
					Id: idOfKey(key), Uidl: m.Uidl, Prefix: m.Prefix, Body: contractBody(m.Body), Retrieved: m.Retrieved != 0,
				})
			}
		}
		return nil
	})
	return answer, err
}

// EndPoll ends a poll: what it leaves becomes retrieved, and a fetch is wanted for the next poll, in one commit. Whether that
// succeeds or not, the mailbox is closed.
func (p pop3) EndPoll(ctx context.Context, q *contract.EndPollRequest) (*contract.EndPollResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	defer p.leases.giveBack(id, q.Session)
	err = p.updateAccount(ctx, id, func(t *engine.Txn, a *account) error {
		for _, message := range q.Leave {
			if err := p.moveToRetrieved(t, id, message); err != nil {
				return err
			}
		}
		for _, message := range q.Retrieved {
			if err := p.markRetrieved(t, id, message); err != nil {
				return err
			}
		}
		t.After(func() { p.look.again(contract.Topic_TOPIC_QUEUES) })
		a.LastPoll = t.Now().UnixNano()
		if p.settings.Load().POP3.Delivery == settings.DeliveryNextPoll { // with the other one, the login wanted it
			a.Wanted = true
		}
		return nil
	})
	return &contract.EndPollResponse{}, err
}
