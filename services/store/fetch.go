package store

import (
	"context"
	"errors"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

// updateAccount changes an account's row in a commit of its own.
func (s *Store) updateAccount(ctx context.Context, id accountID, change func(t *engine.Txn, a *account) error) error {
	return s.db.Update(ctx, func(t *engine.Txn) error {
		a, err := loadAccount(&t.Reader, id)
		if err != nil {
			return err
		}
		if err := change(t, a); err != nil {
			return err
		}
		s.saveAccount(t, a)
		return nil
	})
}

// BeginFetch records that a fetch starts now, and gives the login data for it. A poll that ends from here on
// wants another fetch. With a full disk none begins: it would retrieve what can't be stored.
func (f fetcher) BeginFetch(ctx context.Context, q *contract.BeginFetchRequest) (*contract.BeginFetchResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	if err := f.lookAtDisk(ctx); err != nil {
		return nil, err
	}
	answer := &contract.BeginFetchResponse{}
	unreadable := "" // the account whose login data is
	err = f.updateAccount(ctx, id, func(t *engine.Txn, a *account) error {
		if a.Paused || a.Refused {
			return fmt.Errorf("%w: the account is paused, or its login was refused", contract.ErrConflict)
		}
		password, err := f.secrets.open(a.SealedPassword, id[:])
		if err != nil {
			unreadable = nameOf(a.Account).String()
			return fmt.Errorf("%w: login data of %s: %w", contract.ErrConflict, unreadable, err)
		}
		a.LastFetch, a.Wanted, a.Asked, a.Fetching = t.Now().UnixNano(), false, false, true
		t.After(func() { f.fresh.fetchBegan(id) })
		answer.Login, answer.Host, answer.Port, answer.Password = a.Login, a.Host, a.Port, password
		answer.Misfits, answer.ClockGood = a.Misfits, f.clock.isGood()
		return nil
	})
	if unreadable != "" {
		return nil, errors.Join(err, f.keepCondition(ctx, true, contract.ConditionLoginData, unreadable,
			"the login data that is kept can't be decrypted, and nothing is fetched until a mail client logs in again"))
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// EndFetch records how a fetch ended. No refusal erases login data.
func (f fetcher) EndFetch(ctx context.Context, q *contract.EndFetchRequest) (*contract.EndFetchResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	err = f.updateAccount(ctx, id, func(t *engine.Txn, a *account) error {
		name := nameOf(a.Account).String()
		a.ProviderText, a.Fetching = q.ProviderText, false
		a.Misfits = q.Misfits
		t.After(func() { f.fresh.fetchEnded(id, q.Succeeded, f.now()) })
		a.NextFetch = 0
		if q.NextFetch != nil {
			a.NextFetch = q.NextFetch.AsTime().UnixNano()
		}
		if q.Refused {
			a.Refused = true
			return f.setCondition(t, contract.ConditionLoginRefused, name,
				"the provider refuses the login that is kept, and nothing is fetched until a mail client logs in again; it said: "+q.ProviderText)
		}
		if q.Succeeded {
			f.clearCondition(t, contract.ConditionProvider, name)
			return nil
		}
		if !q.Lasting {
			return nil
		}
		return f.setCondition(t, contract.ConditionProvider, name, q.ProviderText)
	})
	return &contract.EndFetchResponse{}, err
}
