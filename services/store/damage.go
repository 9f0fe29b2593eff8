package store

import (
	"context"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

// damageSubject is the subject of a damaged message's condition.
func damageSubject(id uint64) string { return fmt.Sprintf("message %d", id) }

// readable reads a body whole, and says what is wrong with it.
func (s *Store) readable(b *rows.Body) error {
	f, err := s.db.Open(b.Segment)
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := segment.ReadHeader(f, b.Offset)
	if err != nil {
		return err
	}
	return segment.Verify(f, b.Offset, h)
}

// ReportDamage holds a message whose bytes don't fit their checksum: it stays in the Out Queue, unserved, and a condition says
// so. What the store itself can read is served on: it was a fault of the moment.
func (p pop3) ReportDamage(ctx context.Context, q *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	m, err := p.outMessage(id, q.Id)
	if err != nil || m == nil {
		return &contract.ReportDamageResponse{}, err
	}
	wrong := p.readable(m.Body)
	if wrong == nil {
		p.log.Warn("message reported as damaged is whole", "message", q.Id, "segment", m.Body.Segment, "err", q.Text)
		return &contract.ReportDamageResponse{}, nil
	}
	return &contract.ReportDamageResponse{}, p.hold(ctx, id, q.Id, wrong)
}

// queuedSubject is the subject of a damaged mail's condition, which is in the Transport Queue.
func queuedSubject(id uint64) string { return fmt.Sprintf("outgoing mail %d", id) }

// ReportDamage sets a condition for a mail of the Transport Queue whose bytes don't fit their checksum. It stays in the queue, and its
// tries go on by their times: it goes out when it can be read again. The condition ends with that, or with the mail.
func (p smtp) ReportDamage(ctx context.Context, q *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error) {
	if len(q.Account) > 0 {
		return nil, fmt.Errorf("%w: a mail of the Transport Queue is no account's", contract.ErrInvalid)
	}
	var m *queued
	err := p.db.View(func(r *engine.Reader) (err error) {
		m, err = findQueued(r, q.Id)
		return err
	})
	if err != nil || m == nil {
		return &contract.ReportDamageResponse{}, err
	}
	wrong := p.readable(m.Body)
	if wrong == nil {
		p.log.Warn("mail reported as damaged is whole", "message", q.Id, "segment", m.Body.Segment, "err", q.Text)
		return &contract.ReportDamageResponse{}, p.keepCondition(ctx, false, contract.ConditionDamage, queuedSubject(q.Id), "")
	}
	return &contract.ReportDamageResponse{}, p.db.Update(ctx, func(t *engine.Txn) error {
		if t.Get(engine.Transport, idKey(q.Id)) == nil {
			return nil // dropped meanwhile
		}
		return p.setCondition(t, contract.ConditionDamage, queuedSubject(q.Id),
			fmt.Sprintf("an outgoing mail can't be sent because its bytes on disk can't be read, or don't fit their checksum (segment %d at %d): %v; "+
				"it is tried again, and goes out if they can be read again", m.Body.Segment, m.Body.Offset, wrong))
	})
}

// outMessage gives a message of an Out Queue; nil when it isn't there.
func (s *Store) outMessage(id accountID, message uint64) (*rows.Message, error) {
	m := &rows.Message{}
	found := false
	err := s.db.View(func(r *engine.Reader) (err error) {
		found, err = r.Load(engine.Out, messageKey(engine.Out, id, message), m)
		return err
	})
	if err != nil || !found {
		return nil, err
	}
	return m, nil
}

// hold keeps a message back, or lets it go on where nothing is wrong with it any more.
func (s *Store) hold(ctx context.Context, id accountID, message uint64, wrong error) error {
	return s.db.Update(ctx, func(t *engine.Txn) error {
		var m rows.Message
		key := messageKey(engine.Out, id, message)
		found, err := t.Load(engine.Out, key, &m)
		if err != nil || !found || m.Damaged == (wrong != nil) {
			return err
		}
		m.Damaged = wrong != nil
		t.Save(engine.Out, key, &m)
		if wrong == nil {
			s.clearCondition(t, contract.ConditionDamage, damageSubject(message))
			return nil
		}
		return s.setCondition(t, contract.ConditionDamage, damageSubject(message),
			fmt.Sprintf("a message is held because its bytes on disk can't be read, or don't fit their checksum (segment %d at %d): %v", m.Body.Segment, m.Body.Offset, wrong))
	})
}

// damaged are held messages that are to be looked at again.
type damaged struct{ messages chan heldMessage }

type heldMessage struct {
	account accountID
	id      uint64
}

// maxLooks bounds those that wait: another poll asks again.
const maxLooks = 64

func (d *damaged) start() { d.messages = make(chan heldMessage, maxLooks) }

// lookAgain has a message looked at that is held as damaged.
func (d *damaged) lookAgain(account accountID, id uint64) {
	select {
	case d.messages <- heldMessage{account, id}:
	default:
	}
}

// healLoop lets held messages go on whose bytes can be read again, until ctx ends.
func (s *Store) healLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case held := <-s.damage.messages:
			if err := s.heal(ctx, held); err != nil && ctx.Err() == nil {
				s.log.Error("damaged message not looked at again", "message", held.id, "err", err)
			}
		}
	}
}

func (s *Store) heal(ctx context.Context, held heldMessage) error {
	m, err := s.outMessage(held.account, held.id)
	if err != nil || m == nil || !m.Damaged || s.readable(m.Body) != nil {
		return err
	}
	if err := s.hold(ctx, held.account, held.id, nil); err != nil {
		return err
	}
	s.log.Info("message held as damaged can be read again", "message", held.id)
	s.look.again(contract.Topic_TOPIC_QUEUES)
	return nil
}
