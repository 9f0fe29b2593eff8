package store

import (
	"context"
	"slices"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// unknownTime is when something happened while the clock wasn't known to be good. The first sweep with a good
// clock takes its own time for it: what counts from there is kept longer, never shorter.
const unknownTime = -1

// stamp is the time that a row keeps for what happens now.
func (s *Store) stamp(t *engine.Txn) int64 {
	if !s.clock.isGood() {
		return unknownTime
	}
	return t.Now().UnixNano()
}

// retention is when mail that was retrieved leaves an account's Out Queue.
func (s *Store) retention(a *account) settings.Retrieved {
	if a.Retrieved != "" {
		if own, err := settings.ParseRetrieved(a.Retrieved); err == nil {
			return own
		}
		return settings.RetrievedUntilDele // written by another version: nothing leaves that might have to stay
	}
	return s.settings.Load().POP3.Retrieved
}

// moveToRetrieved takes a message out of the Out Queue, if it is there still.
func (s *Store) moveToRetrieved(t *engine.Txn, id accountID, message uint64) error {
	m, err := leave(t, engine.Out, id, message)
	if err != nil || m == nil {
		return err
	}
	m.Left = s.stamp(t)
	s.clearCondition(t, contract.ConditionDamage, damageSubject(message)) // it was served whole, or nobody wants it
	return enter(t, engine.Retrieved, message, m)
}

// markRetrieved keeps when a message of the Out Queue was first retrieved.
func (s *Store) markRetrieved(t *engine.Txn, id accountID, message uint64) error {
	var m rows.Message
	key := messageKey(engine.Out, id, message)
	found, err := t.Load(engine.Out, key, &m)
	if err != nil || !found || m.Retrieved != 0 {
		return err
	}
	m.Retrieved = s.stamp(t)
	t.Save(engine.Out, key, &m)
	return nil
}

// expireOut lets mail leave the Out Queues that was retrieved, and whose time is over. With retrieved = "expire" that is
// what was retrieved while another choice was in force.
func (s *Store) expireOut(ctx context.Context, now time.Time) error {
	var accounts []accountID
	err := s.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Accounts, nil, nil) {
			accounts = append(accounts, accountID(key))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range accounts {
		if err := s.expireOutOf(ctx, id, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) expireOutOf(ctx context.Context, id accountID, now time.Time) error {
	var over, undated []uint64
	err := s.db.View(func(r *engine.Reader) error {
		a, err := loadAccount(r, id)
		if err != nil {
			return nil // removed since
		}
		over, undated, err = s.findOver(r, a, now)
		return err
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(over, sweepRows) {
		err := s.db.Update(ctx, func(t *engine.Txn) error {
			for _, message := range part {
				if err := s.moveToRetrieved(t, id, message); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for part := range slices.Chunk(undated, sweepRows) {
		err := s.db.Update(ctx, func(t *engine.Txn) error { return date(t, id, part, now) })
		if err != nil {
			return err
		}
	}
	return nil
}

// findOver gives the messages whose time is over, and those that have none yet.
func (s *Store) findOver(r *engine.Reader, a *account, now time.Time) (out, undated []uint64, err error) {
	keep, expires := s.retention(a).After()
	if !expires {
		return nil, nil, nil
	}
	for key := range r.Scan(engine.Out, a.id[:], nil) {
		var m rows.Message
		if _, err := r.Load(engine.Out, key, &m); err != nil {
			return nil, nil, err
		}
		switch {
		case m.Retrieved == 0: // nobody has it yet
		case m.Retrieved == unknownTime && keep > 0:
			undated = append(undated, idOfKey(key))
		case m.Retrieved == unknownTime || over(m.Retrieved, keep, now):
			out = append(out, idOfKey(key))
		}
	}
	return out, undated, nil
}

// date gives messages of an Out Queue the time of their first retrieval.
func date(t *engine.Txn, id accountID, messages []uint64, now time.Time) error {
	for _, message := range messages {
		var m rows.Message
		key := messageKey(engine.Out, id, message)
		found, err := t.Load(engine.Out, key, &m)
		if err != nil {
			return err
		}
		if found && m.Retrieved == unknownTime {
			m.Retrieved = now.UnixNano()
			t.Save(engine.Out, key, &m)
		}
	}
	return nil
}
