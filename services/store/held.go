package store

import (
	"bytes"
	"cmp"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// Mail that is held for its size has a row in the queue Held and one in the ledger, HELD and SIZE, under one id: both
// come and go in one commit, and its body leaves Held for the In Queue, or for a mail that takes its place.

// maxVersions bounds the digests that a row of held mail keeps, the newest: a provider may give other bytes for ever.
const maxVersions = 64

func heldForSize(row *rows.Ledger) bool {
	return row != nil && contract.LedgerState(row.State) == contract.LedgerState_HELD &&
		contract.LedgerReason(row.Reason) == contract.LedgerReason_SIZE
}

// hold makes row that of a mail that is held for its size, and gives the message to hold: the longer one of it and of
// what was held before. The other one is dropped.
func (t *intake) hold(row *rows.Ledger, message *rows.Message, replaces uint64, old *rows.Ledger) (*rows.Message, error) {
	row.State, row.Reason = uint32(contract.LedgerState_HELD), uint32(contract.LedgerReason_SIZE)
	row.Versions = [][]byte{message.Body.Sha256}
	if old != nil && contract.LedgerState(old.State) == contract.LedgerState_HELD {
		row.First = cmp.Or(old.First, row.First)
	}
	switch {
	case heldForSize(old):
		before, err := leave(t.Txn, engine.Held, t.account, replaces)
		if err != nil {
			return nil, err
		}
		row.Versions = append(old.Versions, row.Versions...)
		row.Versions = row.Versions[max(0, len(row.Versions)-maxVersions):]
		switch {
		case before == nil: // damage took it
		case before.Body.Length >= message.Body.Length:
			t.Drop(message.Body)
			message, row.HeaderDigest, row.BodyDigest = before, old.HeaderDigest, old.BodyDigest
		default:
			t.Drop(before.Body)
		}
	case old != nil && contract.LedgerReason(old.Reason) == contract.LedgerReason_SIZE:
		return nil, fmt.Errorf("%w: ledger row %d is of a mail that was let through as incomplete, and only a whole one takes its place", contract.ErrConflict, replaces)
	}
	row.Sha256, row.Octets = message.Body.Sha256, message.Body.Length
	return message, nil
}

// letThrough moves what was held to the In Queue.
func letThrough(t *engine.Txn, account accountID, id uint64, incomplete bool) error {
	m, err := leave(t, engine.Held, account, id)
	if err != nil {
		return err
	}
	if m == nil {
		return fmt.Errorf("%w: the mail of ledger row %d isn't there: it has to be retrieved again", contract.ErrDamaged, id)
	}
	m.Incomplete = incomplete
	return enter(t, engine.In, id, m)
}

// heldAlone says what is wrong with a row of Held: it needs its ledger row, by which it is let through one day. Their
// keys are the same.
func heldAlone(r *engine.Reader, key []byte) (problem string, err error) {
	var row rows.Ledger
	if _, err := r.Load(engine.Ledger, key, &row); err != nil || heldForSize(&row) {
		return "", err
	}
	return fmt.Sprintf("queue %s, message %d, account %x: no row of the ledger holds it", contract.QueueHeld, idOfKey(key), key[:len(accountID{})]), nil
}

// checkLedger looks for rows of held mail whose mail isn't there.
func (a admin) checkLedger(after []byte) (*contract.CheckResponse, error) {
	answer := &contract.CheckResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		n := 0
		for key := range r.Scan(engine.Ledger, nil, after) {
			if n++; n > ledgerPerCall {
				return nil
			}
			var row rows.Ledger
			if _, err := r.Load(engine.Ledger, key, &row); err != nil {
				return err
			}
			if answer.Cursor = bytes.Clone(key); !heldForSize(&row) {
				continue
			}
			var m rows.Message
			if found, err := r.Load(engine.Held, key, &m); err != nil {
				return err
			} else if !found || !bytes.Equal(m.Body.Sha256, row.Sha256) {
				answer.Problems = append(answer.Problems, fmt.Sprintf("ledger, row %d, account %x: its mail isn't held: the provider's copy is the only one", idOfKey(key), key[:len(accountID{})]))
			}
		}
		answer.Cursor = nil
		return nil
	})
	return answer, err
}
