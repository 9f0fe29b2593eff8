package store

import (
	"context"
	"encoding/binary"

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
				BodyDigest: row.BodyDigest, Limit: row.Limit,
				Reason: contract.LedgerReason(row.Reason), First: timeOf(row.First),
				Octets: row.Octets, Versions: row.Versions, Accepted: row.Accepted,
			})
		}
		return nil
	})
	return answer, err
}
