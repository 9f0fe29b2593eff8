package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func conditionKey(name, subject string) []byte { return []byte(name + "\x00" + subject) }

// setCondition sets a lasting condition within a commit. One that holds already keeps its time.
func (s *Store) setCondition(t *engine.Txn, name, subject, text string) error {
	key := conditionKey(name, subject)
	c := rows.Condition{Since: t.Now().UnixNano()}
	if _, err := t.Load(engine.Conditions, key, &c); err != nil {
		return err
	}
	if c.Text == text {
		return nil
	}
	c.Text = text
	t.Save(engine.Conditions, key, &c)
	t.After(func() {
		s.log.Warn("condition set", "condition", name, "subject", subject, "text", text)
		s.look.again(contract.Topic_TOPIC_CONDITIONS)
	})
	return nil
}

func (s *Store) clearCondition(t *engine.Txn, name, subject string) {
	key := conditionKey(name, subject)
	if t.Get(engine.Conditions, key) == nil {
		return
	}
	t.Delete(engine.Conditions, key)
	t.After(func() {
		s.log.Info("condition cleared", "condition", name, "subject", subject)
		s.look.again(contract.Topic_TOPIC_CONDITIONS)
	})
}

// keepCondition sets or clears a condition in a commit of its own; nothing is written when it holds already.
func (s *Store) keepCondition(ctx context.Context, set bool, name, subject, text string) error {
	holds := false
	err := s.db.View(func(r *engine.Reader) error {
		var c rows.Condition
		found, err := r.Load(engine.Conditions, conditionKey(name, subject), &c)
		holds = found && (!set || c.Text == text)
		return err
	})
	if err != nil || holds == set {
		return err
	}
	return s.db.Update(ctx, func(t *engine.Txn) error {
		if !set {
			s.clearCondition(t, name, subject)
			return nil
		}
		return s.setCondition(t, name, subject, text)
	})
}

// listConditions gives the conditions behind a key, as many as there is room for; where there are more, the last one's key.
func listConditions(r *engine.Reader, after []byte, room *int) (list []*contract.Condition, last []byte, err error) {
	for key := range r.Scan(engine.Conditions, nil, after) {
		if *room <= 0 {
			if last == nil { // no room for the first
				last = []byte{0}
			}
			return list, last, nil
		}
		var row rows.Condition
		if _, err := r.Load(engine.Conditions, key, &row); err != nil {
			return nil, nil, err
		}
		name, subject, ok := bytes.Cut(key, []byte{0})
		if !ok {
			return nil, nil, fmt.Errorf("condition %q has no subject", key)
		}
		c := &contract.Condition{Name: string(name), Subject: string(subject), Text: row.Text, Since: timeOf(row.Since)}
		list, last = append(list, c), bytes.Clone(key)
		*room -= proto.Size(c)
	}
	return list, nil, nil
}

// timeOf gives a row's time as the contract has it: nil for never.
func timeOf(nanoseconds int64) *timestamppb.Timestamp {
	if nanoseconds == 0 {
		return nil
	}
	return timestamppb.New(time.Unix(0, nanoseconds))
}
