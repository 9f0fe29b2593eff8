package store

import (
	"context"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// MarkLedger makes transitions of ledger rows. A mail that is held for its size leaves its queue with its row's state;
// a HELD row of a twin has no mail: it can only go, and what takes its place is put.
func (f fetcher) MarkLedger(ctx context.Context, q *contract.MarkLedgerRequest) (*contract.MarkLedgerResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	if len(q.Key) != 0 && len(q.Key) != putKeySize {
		return nil, fmt.Errorf("%w: key of %d octets, not %d", contract.ErrInvalid, len(q.Key), putKeySize)
	}
	err = f.db.Update(ctx, func(t *engine.Txn) error {
		acc, err := loadAccount(&t.Reader, id)
		if err != nil {
			return err
		}
		marking := &marking{Txn: t, account: id, acked: f.stamp(t)}
		for _, mark := range q.Marks {
			if err := marking.mark(mark); err != nil {
				return err
			}
		}
		if err := marking.holdTwins(q.Key, q.Held); err != nil {
			return err
		}
		if marking.letThrough {
			f.tellQueues(t)
		}
		if marking.incomplete {
			return f.tellIncomplete(t, acc)
		}
		return nil
	})
	return &contract.MarkLedgerResponse{}, err
}

// tellQueues tells everyone that mail came, once the commit is durable.
func (s *Store) tellQueues(t *engine.Txn) {
	t.After(func() {
		s.workers.again()
		s.look.again(contract.Topic_TOPIC_QUEUES)
	})
}

// marking is a MarkLedger within its commit.
type marking struct {
	*engine.Txn
	account    accountID
	acked      int64 // what a row that is DELE_ACKED keeps for now
	letThrough bool  // mail came into the In Queue
	incomplete bool  // a row came, or went, that the condition of incomplete mails counts
}

// mark makes one transition. One that was made already changes nothing.
func (t *marking) mark(mark *contract.LedgerMark) error {
	key := ledgerKey(t.account, mark.Id)
	var row rows.Ledger
	found, err := t.Load(engine.Ledger, key, &row)
	if err != nil {
		return err
	}
	counted := unaccepted(&row)
	state := contract.LedgerState(row.State)
	to := mark.State
	if to == contract.LedgerState_LEDGER_UNSPECIFIED {
		if found && !removable(&row) {
			return fmt.Errorf("%w: ledger row %d is %v and can't be removed", contract.ErrConflict, mark.Id, state)
		}
		t.Delete(engine.Ledger, key)
		t.incomplete = t.incomplete || counted
		return nil
	}
	if !found {
		return fmt.Errorf("%w: ledger row %d", contract.ErrNotFound, mark.Id)
	}
	if why := forbidden(&row, to); why != nil {
		return fmt.Errorf("%w: ledger row %d from %v to %v", why, mark.Id, state, to)
	}
	if state == to && to != contract.LedgerState_DELE_ACKED {
		return nil // a repetition
	}
	if heldForSize(&row) {
		if err := letThrough(t.Txn, t.account, mark.Id, to != contract.LedgerState_STORED); err != nil {
			return err
		}
		t.letThrough = true
		row.Octets, row.Versions = 0, nil
	}
	if to == contract.LedgerState_STORED || to == contract.LedgerState_DELE_SENT {
		row.Reason, row.Accepted = 0, false // from here on it's a mail like any other
	}
	row.State, row.Changed = uint32(to), t.Now().UnixNano()
	if to == contract.LedgerState_DELE_ACKED {
		row.Changed = t.acked // the one time of the ledger that expires
	}
	t.Save(engine.Ledger, key, &row)
	t.incomplete = t.incomplete || counted != unaccepted(&row)
	return nil
}

// removable tells whether a row may go without its mail having been deleted at the provider: no mail hangs on it here.
func removable(row *rows.Ledger) bool {
	switch contract.LedgerState(row.State) {
	case contract.LedgerState_HELD:
		return !heldForSize(row)
	case contract.LedgerState_LEFT:
		return true
	}
	return false
}

// forbidden is nil where a row may become what is asked for. What was LEFT, and nobody accepted, is never to be
// deleted, not even when it comes back in a listing after it was DELE_ACKED.
func forbidden(row *rows.Ledger, to contract.LedgerState) error {
	state := contract.LedgerState(row.State)
	ok := false
	switch to {
	case contract.LedgerState_STORED, contract.LedgerState_DELE_SENT:
		ok = row.Reason == 0 || row.Accepted || heldForSize(row) && to == contract.LedgerState_STORED
	case contract.LedgerState_DELE_ACKED:
		ok = true
	case contract.LedgerState_LEFT:
		ok = row.Reason != 0
	default:
		return contract.ErrInvalid
	}
	if !ok || state == contract.LedgerState_HELD && !heldForSize(row) {
		return contract.ErrConflict
	}
	return nil
}

// holdTwins makes rows of mails that another number gave the bytes of. With a key they come once, however often the
// call does.
func (t *marking) holdTwins(key []byte, list []*contract.LedgerRow) error {
	if len(list) == 0 {
		return nil
	}
	now := t.Now().UnixNano()
	if len(key) > 0 {
		if t.Get(engine.Puts, key) != nil {
			return nil
		}
		t.Save(engine.Puts, key, &rows.Put{Time: now})
	}
	for _, held := range list {
		if len(held.Sha256) != digestSize || len(held.HeaderDigest) != digestSize || !optionalDigest(held.BodyDigest) || len(held.Uidl) > maxUIDL {
			return fmt.Errorf("%w: held row without its digests", contract.ErrInvalid)
		}
		if held.Reason != contract.LedgerReason_REASON_UNSPECIFIED && held.Reason != contract.LedgerReason_TWIN {
			return fmt.Errorf("%w: held row for %v without a mail", contract.ErrInvalid, held.Reason)
		}
		t.Save(engine.Ledger, ledgerKey(t.account, t.NewID()), &rows.Ledger{
			State: uint32(contract.LedgerState_HELD), Reason: uint32(contract.LedgerReason_TWIN),
			Uidl: held.Uidl, Size: held.Size, Sha256: held.Sha256, HeaderDigest: held.HeaderDigest, BodyDigest: held.BodyDigest,
			Changed: now, First: now,
		})
	}
	return nil
}
