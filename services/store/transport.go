package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// partOf is how many recipients stand in one row: the first so many in the mail's own, the next in part 1, and so on.
const partOf = 64

// states of a recipient, as its row has them
const (
	waiting   = uint32(contract.RecipientState_WAITING)
	sending   = uint32(contract.RecipientState_SENDING)
	delivered = uint32(contract.RecipientState_DELIVERED)
	failed    = uint32(contract.RecipientState_FAILED)
	onHold    = uint32(contract.RecipientState_ON_HOLD)
	dropped   = uint32(contract.RecipientState_DROPPED)
)

// done says that nothing more becomes of a recipient.
func done(r *rows.Recipient) bool { return r.State == delivered || r.State == failed }

// queued is a mail of the Transport Queue with all of its recipients.
type queued struct {
	id uint64
	*rows.Transport
	recipients []*rows.Recipient
	touched    []bool // by part
}

// findQueued gives a mail of the Transport Queue, nil when it isn't there.
func findQueued(r *engine.Reader, id uint64) (*queued, error) {
	m := &queued{id: id, Transport: &rows.Transport{}}
	found, err := r.Load(engine.Transport, idKey(id), m.Transport)
	if err != nil || !found {
		return nil, err
	}
	return m, m.load(r)
}

// loadQueued is findQueued for who needs the mail: contract.ErrNotFound when it isn't there.
func loadQueued(r *engine.Reader, id uint64) (*queued, error) {
	m, err := findQueued(r, id)
	if err == nil && m == nil {
		err = fmt.Errorf("%w: no mail %d in the queue", contract.ErrNotFound, id)
	}
	return m, err
}

// load reads the recipients that have rows of their own.
func (m *queued) load(r *engine.Reader) error {
	m.recipients = m.Recipients
	for part := 1; len(m.recipients) < int(m.Count); part++ {
		var list rows.Recipients
		found, err := r.Load(engine.Recipients, partKey(m.id, part), &list)
		if err != nil {
			return err
		}
		if !found || len(list.Recipients) == 0 {
			return fmt.Errorf("%w: mail %d of the Transport Queue has %d recipients of %d", contract.ErrDamaged, m.id, len(m.recipients), m.Count)
		}
		m.recipients = append(slices.Clip(m.recipients), list.Recipients...)
	}
	m.touched = make([]bool, parts(len(m.recipients)))
	return nil
}

func parts(recipients int) int { return (recipients + partOf - 1) / partOf }

func partKey(id uint64, part int) []byte {
	return binary.BigEndian.AppendUint32(idKey(id), uint32(part))
}

// touch gives a recipient to change.
func (m *queued) touch(i int) *rows.Recipient {
	m.touched[i/partOf] = true
	return m.recipients[i]
}

func (m *queued) touchAll() {
	m.touched = make([]bool, parts(len(m.recipients)))
	for part := range m.touched {
		m.touched[part] = true
	}
}

func (m *queued) count() {
	m.Count, m.Undone, m.Sending, m.Waits = uint32(len(m.recipients)), 0, 0, 0
	for _, r := range m.recipients {
		if !done(r) {
			m.Undone++
		}
		if r.State == sending {
			m.Sending++
		}
		if r.State == onHold && r.NoAccount {
			m.Waits++
		}
	}
}

// enterTransport puts a new mail into the queue.
func (s *Store) enterTransport(t *engine.Txn, m *queued) error {
	m.touchAll()
	if err := countTransport(t, m, +1); err != nil {
		return err
	}
	s.saveTransport(t, m)
	return nil
}

// keepTransport writes what was changed of a mail. One whose recipients are all done goes, and its body with it.
func (s *Store) keepTransport(t *engine.Txn, m *queued) error {
	m.count()
	if m.Undone > 0 {
		s.saveTransport(t, m)
		return nil
	}
	t.Delete(engine.Transport, idKey(m.id))
	for part := 1; part < parts(len(m.recipients)); part++ {
		t.Delete(engine.Recipients, partKey(m.id, part))
	}
	t.Drop(m.Body)
	s.clearCondition(t, contract.ConditionDamage, queuedSubject(m.id))
	t.After(func() {
		s.runners.keep(m)
		s.queue.remove(m.id)
		s.tellTransport()
	})
	return countTransport(t, m, -1)
}

func (s *Store) saveTransport(t *engine.Txn, m *queued) {
	m.write(t)
	if m.Waits > 0 {
		s.runners.mayWait(m.id)
	}
	t.After(func() {
		s.runners.keep(m)
		s.queue.add(m.id)
		s.tellTransport()
	})
}

// write writes the mail's row, and those of its recipients that were touched.
func (m *queued) write(t *engine.Txn) {
	m.count()
	for part, touched := range m.touched {
		if part > 0 && touched {
			list := m.recipients[part*partOf : min((part+1)*partOf, len(m.recipients))]
			t.Save(engine.Recipients, partKey(m.id, part), &rows.Recipients{Recipients: list})
		}
	}
	m.Recipients = m.recipients[:min(partOf, len(m.recipients))]
	t.Save(engine.Transport, idKey(m.id), m.Transport)
}

// tellTransport tells runners, and who watches queues.
func (s *Store) tellTransport() {
	s.runners.again()
	s.look.again(contract.Topic_TOPIC_QUEUES)
}

// countTransport keeps the queue's total.
func countTransport(t *engine.Txn, m *queued, sign int) error {
	var total rows.Total
	key := totalKey(engine.Transport, nil)
	if _, err := t.Load(engine.Totals, key, &total); err != nil {
		return err
	}
	if sign > 0 {
		total.Messages++
		total.Octets += m.Body.Length
	} else {
		total.Messages--
		total.Octets -= m.Body.Length
	}
	if total.Messages == 0 {
		t.Delete(engine.Totals, key)
	} else {
		t.Save(engine.Totals, key, &total)
	}
	return nil
}

// loadTransport begins with what is in the queue.
func (s *Store) loadTransport() error {
	return s.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Transport, nil, nil) {
			m := &queued{id: idOfKey(key), Transport: &rows.Transport{}}
			if _, err := r.Load(engine.Transport, key, m.Transport); err != nil {
				return err
			}
			s.queue.add(m.id)
			s.runners.found(m)
		}
		return nil
	})
}
