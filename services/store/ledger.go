package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

func ledgerKey(id accountID, row uint64) []byte { return binary.BigEndian.AppendUint64(id[:], row) }

// ledgerPerCall bounds an answer of ListLedger.
const ledgerPerCall = 5000

func (f fetcher) ListLedger(_ context.Context, q *contract.ListLedgerRequest) (*contract.ListLedgerResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	answer := &contract.ListLedgerResponse{}
	err = f.db.View(func(r *engine.Reader) error {
		var after []byte
		if q.After != 0 {
			after = ledgerKey(id, q.After)
		}
		for key := range r.Scan(engine.Ledger, id[:], after) {
			if len(answer.Rows) == ledgerPerCall {
				answer.More = true
				return nil
			}
			var row rows.Ledger
			if _, err := r.Load(engine.Ledger, key, &row); err != nil {
				return err
			}
			answer.Rows = append(answer.Rows, &contract.LedgerRow{
				Id: idOfKey(key), State: contract.LedgerState(row.State), Uidl: row.Uidl, Size: row.Size,
				Sha256: row.Sha256, HeaderDigest: row.HeaderDigest, Changed: timeOf(row.Changed),
			})
		}
		return nil
	})
	return answer, err
}

// MarkLedger makes transitions of ledger rows. A HELD row has no body: it can only go, and what takes its
// place is put.
func (f fetcher) MarkLedger(ctx context.Context, q *contract.MarkLedgerRequest) (*contract.MarkLedgerResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	err = f.db.Update(ctx, func(t *engine.Txn) error {
		if _, err := loadAccount(&t.Reader, id); err != nil {
			return err
		}
		for _, mark := range q.Marks {
			if err := markLedger(t, id, mark); err != nil {
				return err
			}
		}
		for _, held := range q.Held {
			if len(held.Sha256) != digestSize || len(held.HeaderDigest) != digestSize || len(held.Uidl) > maxUIDL {
				return fmt.Errorf("%w: held row without its digests", contract.ErrInvalid)
			}
			t.Save(engine.Ledger, ledgerKey(id, t.NewID()), &rows.Ledger{
				State: uint32(contract.LedgerState_HELD), Uidl: held.Uidl, Size: held.Size,
				Sha256: held.Sha256, HeaderDigest: held.HeaderDigest, Changed: t.Now().UnixNano(),
			})
		}
		return nil
	})
	return &contract.MarkLedgerResponse{}, err
}

func markLedger(t *engine.Txn, id accountID, mark *contract.LedgerMark) error {
	key := ledgerKey(id, mark.Id)
	var row rows.Ledger
	found, err := t.Load(engine.Ledger, key, &row)
	if err != nil {
		return err
	}
	held := contract.LedgerState(row.State) == contract.LedgerState_HELD
	switch mark.State {
	case contract.LedgerState_LEDGER_UNSPECIFIED:
		if found && !held {
			return fmt.Errorf("%w: ledger row %d is %v and can't be removed", contract.ErrConflict, mark.Id, contract.LedgerState(row.State))
		}
		t.Delete(engine.Ledger, key)
		return nil
	case contract.LedgerState_STORED, contract.LedgerState_DELE_SENT, contract.LedgerState_DELE_ACKED:
	default:
		return fmt.Errorf("%w: ledger state %v", contract.ErrInvalid, mark.State)
	}
	if !found {
		return fmt.Errorf("%w: ledger row %d", contract.ErrNotFound, mark.Id)
	}
	if held {
		return fmt.Errorf("%w: ledger row %d is held: its mail is not stored", contract.ErrConflict, mark.Id)
	}
	if row.State == uint32(mark.State) && mark.State != contract.LedgerState_DELE_ACKED {
		return nil // a repetition
	}
	row.State, row.Changed = uint32(mark.State), t.Now().UnixNano()
	t.Save(engine.Ledger, key, &row)
	return nil
}
