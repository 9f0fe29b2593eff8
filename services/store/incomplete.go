package store

import (
	"bytes"
	"context"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// unaccepted tells whether a row is of a mail that was let through as incomplete, and whose copy at the provider waits
// for the owner's word.
func unaccepted(row *rows.Ledger) bool {
	return contract.LedgerState(row.State) == contract.LedgerState_LEFT &&
		contract.LedgerReason(row.Reason) == contract.LedgerReason_SIZE && !row.Accepted
}

// tellIncomplete keeps the condition true that says how many such mails an account has. It reads the account's whole
// ledger, and is for commits that changed their number.
func (s *Store) tellIncomplete(t *engine.Txn, a *account) error {
	n := 0
	for key := range t.Scan(engine.Ledger, a.id[:], nil) {
		var row rows.Ledger
		if _, err := t.Load(engine.Ledger, key, &row); err != nil {
			return err
		}
		if unaccepted(&row) {
			n++
		}
	}
	name := nameOf(a.Account).String()
	if n == 0 {
		s.clearCondition(t, contract.ConditionIncomplete, name)
		return nil
	}
	what := "1 mail that the provider never gave twice the same was"
	if n > 1 {
		what = fmt.Sprintf("%d mails that the provider never gave twice the same were", n)
	}
	return s.setCondition(t, contract.ConditionIncomplete, name, what+fmt.Sprintf(
		" delivered in the longest form, marked, and left at the provider: look there whether more can be had; `postroom account accept %s` has the box delete what is left", name))
}

// AcceptIncomplete lets the provider's copies be deleted of mails that were let through as incomplete: those that are
// LEFT for that now. A fetch is wanted, to do so.
func (a admin) AcceptIncomplete(ctx context.Context, q *contract.AccountRequest) (*contract.AccountResponse, error) {
	return a.change(ctx, q.Name, "incomplete mails accepted", func(t *engine.Txn, acc *account) error {
		var keys [][]byte
		for key := range t.Scan(engine.Ledger, acc.id[:], nil) {
			var row rows.Ledger
			if _, err := t.Load(engine.Ledger, key, &row); err != nil {
				return err
			}
			if unaccepted(&row) {
				keys = append(keys, bytes.Clone(key))
			}
		}
		if len(keys) == 0 {
			return nil // accepted already, or there was none
		}
		for _, key := range keys {
			var row rows.Ledger
			if _, err := t.Load(engine.Ledger, key, &row); err != nil {
				return err
			}
			row.Accepted = true
			t.Save(engine.Ledger, key, &row)
		}
		acc.Wanted = true
		a.saveAccount(t, acc)
		return a.tellIncomplete(t, acc)
	})
}
