package store

import (
	"context"
	"fmt"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// RestoreMail brings mail back into an account's Out Queue that left it: as new mail, under another id and UIDL, so that a
// client takes it which knows the one before.
func (a admin) RestoreMail(ctx context.Context, q *contract.RestoreMailRequest) (*contract.RestoreMailResponse, error) {
	var since time.Time
	if q.Since != nil {
		since = q.Since.AsTime()
	}
	answer := &contract.RestoreMailResponse{}
	err := a.db.Update(ctx, func(t *engine.Txn) error {
		acc, err := accountByName(&t.Reader, q.Name)
		if err != nil {
			return err
		}
		var list []uint64
		list, answer.More, err = leftSince(t, acc.id, since)
		if err != nil {
			return err
		}
		for _, message := range list {
			m, err := leave(t, engine.Retrieved, acc.id, message)
			if err != nil {
				return err
			}
			m.Left, m.Retrieved, m.Uidl = 0, 0, newUIDL()
			if err := enter(t, engine.Out, t.NewID(), m); err != nil {
				return err
			}
		}
		answer.Messages = uint64(len(list))
		t.After(func() {
			a.log.Info("mail restored", "account", nameOf(acc.Account).String(), "messages", len(list))
			a.look.again(contract.Topic_TOPIC_QUEUES)
		})
		return nil
	})
	return answer, err
}

// leftSince gives messages that left the Out Queue at a time or later, as many as one commit takes. What left at
// a time that isn't known is among them.
func leftSince(t *engine.Txn, id accountID, since time.Time) (list []uint64, more bool, err error) {
	for key := range t.Scan(engine.Retrieved, id[:], nil) {
		var m rows.Message
		if _, err := t.Load(engine.Retrieved, key, &m); err != nil {
			return nil, false, err
		}
		if m.Left != unknownTime && time.Unix(0, m.Left).Before(since) {
			continue
		}
		if len(list) == sweepRows {
			return list, true, nil
		}
		list = append(list, idOfKey(key))
	}
	return list, false, nil
}

// defaultWord takes an account's own setting back.
const defaultWord = "default"

// SetAccount sets for an account what else the settings say for all.
func (a admin) SetAccount(ctx context.Context, q *contract.SetAccountRequest) (*contract.AccountResponse, error) {
	own := ""
	if q.Retrieved != nil && *q.Retrieved != defaultWord {
		r, err := settings.ParseRetrieved(*q.Retrieved)
		if err != nil {
			return nil, fmt.Errorf("%w: retrieved: %w", contract.ErrInvalid, err)
		}
		own = r.String()
	}
	return a.change(ctx, q.Name, "account set", func(t *engine.Txn, acc *account) error {
		if q.Retrieved != nil {
			acc.Retrieved = own
		}
		a.saveAccount(t, acc)
		return nil
	})
}
