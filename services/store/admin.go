package store

import (
	"context"
	"encoding/hex"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// change changes the account of a command.
func (a admin) change(ctx context.Context, name, what string, change func(t *engine.Txn, acc *account) error) (*contract.AccountResponse, error) {
	err := a.db.Update(ctx, func(t *engine.Txn) error {
		acc, err := accountByName(&t.Reader, name)
		if err != nil {
			return err
		}
		t.After(func() { a.log.Info(what, "account", nameOf(acc.Account).String()) })
		return change(t, acc)
	})
	return &contract.AccountResponse{}, err
}

func (a admin) PauseAccount(ctx context.Context, q *contract.AccountRequest) (*contract.AccountResponse, error) {
	return a.change(ctx, q.Name, "account paused", func(t *engine.Txn, acc *account) error {
		acc.Paused = true
		a.saveAccount(t, acc)
		return nil
	})
}

func (a admin) ResumeAccount(ctx context.Context, q *contract.AccountRequest) (*contract.AccountResponse, error) {
	return a.change(ctx, q.Name, "account resumed", func(t *engine.Txn, acc *account) error {
		acc.Paused, acc.Wanted, acc.Asked = false, true, true
		a.saveAccount(t, acc)
		return nil
	})
}

func (a admin) FetchAccount(ctx context.Context, q *contract.AccountRequest) (*contract.AccountResponse, error) {
	return a.change(ctx, q.Name, "fetch asked for", func(t *engine.Txn, acc *account) error {
		if acc.Paused {
			return fmt.Errorf("%w: the account is paused; `postroom account resume` ends that", contract.ErrConflict)
		}
		acc.Refused, acc.Wanted, acc.Asked = false, true, true
		a.clearCondition(t, contract.ConditionLoginRefused, nameOf(acc.Account).String())
		a.saveAccount(t, acc)
		return nil
	})
}

// RemoveAccount forgets an account. Mail that is held for it is dropped only when the caller says so.
func (a admin) RemoveAccount(ctx context.Context, q *contract.RemoveAccountRequest) (*contract.AccountResponse, error) {
	return a.change(ctx, q.Name, "account removed", func(t *engine.Txn, acc *account) error {
		held, err := queueStatus(&t.Reader, acc.id[:])
		if err != nil {
			return err
		}
		for _, queue := range held {
			if queue.Messages > 0 && !q.WithMail {
				return fmt.Errorf("%w: %d mails are held for the account (queue %s), and exist nowhere else; `postroom account export` keeps them, `postroom account remove --with-mail` removes them too",
					contract.ErrConflict, queue.Messages, queue.Queue)
			}
		}
		return a.remove(t, acc)
	})
}

func (a admin) ShowAccount(_ context.Context, q *contract.ShowAccountRequest) (*contract.ShowAccountResponse, error) {
	answer := &contract.ShowAccountResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		acc, err := accountByName(r, q.Name)
		if err != nil {
			return err
		}
		if answer.Status, err = a.accountStatus(r, acc); err != nil {
			return err
		}
		u, err := loadUser(r, userKey(acc.User))
		if err != nil {
			return err
		}
		answer.Id = hex.EncodeToString(acc.id[:])
		answer.Created, answer.LastPoll = timeOf(acc.Created), timeOf(acc.LastPoll)
		answer.Retrieved, answer.OwnRetrieved = a.retention(acc).String(), acc.Retrieved != ""
		answer.Addresses, answer.Licensed = u.GetAddresses(), u.GetLicensed()
		if answer.Queues, err = queueStatus(r, acc.id[:]); err != nil {
			return err
		}
		answer.Ledger, err = ledgerCounts(r, acc.id)
		return err
	})
	return answer, err
}

func ledgerCounts(r *engine.Reader, id accountID) ([]*contract.LedgerCount, error) {
	counts := make(map[contract.LedgerState]uint64)
	for key := range r.Scan(engine.Ledger, id[:], nil) {
		var row rows.Ledger
		if _, err := r.Load(engine.Ledger, key, &row); err != nil {
			return nil, err
		}
		counts[contract.LedgerState(row.State)]++
	}
	var list []*contract.LedgerCount
	for state := contract.LedgerState_HELD; state <= contract.LedgerState_LEFT; state++ {
		list = append(list, &contract.LedgerCount{State: state, Rows: counts[state]})
	}
	return list, nil
}
