package store

import (
	"context"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// accountChanged notes an account that came, went or changed, for the fetcher.
func (s *Store) accountChanged(id accountID) {
	s.accounts.add(id)
	s.look.again(contract.Topic_TOPIC_ACCOUNTS)
}

func (s *Store) loadAccounts() error {
	return s.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Accounts, nil, nil) {
			s.accounts.add(accountID(key))
		}
		return nil
	})
}

// accountsPerCall bounds an answer of ListAccounts.
const accountsPerCall = 1000

func (f fetcher) ListAccounts(_ context.Context, q *contract.ListAccountsRequest) (*contract.ListAccountsResponse, error) {
	list, cursor, more := f.accounts.since(q.Cursor, accountsPerCall)
	answer := &contract.ListAccountsResponse{Cursor: cursor.bytes(), More: more}
	err := f.db.View(func(r *engine.Reader) error {
		for _, c := range list {
			id := c.key
			var a rows.Account
			found, err := r.Load(engine.Accounts, id[:], &a)
			if err != nil {
				return fmt.Errorf("account %x: %w", id, err)
			}
			if !found {
				answer.Accounts = append(answer.Accounts, &contract.FetchAccount{Id: id[:], Removed: true})
				continue
			}
			answer.Accounts = append(answer.Accounts, &contract.FetchAccount{
				Id: id[:], Name: nameOf(&a).String(), Host: a.Host,
				Paused: a.Paused, Refused: a.Refused,
				// A fetcher that begins does what another was cut off in.
				Wanted:   a.Wanted || c.fresh && a.Fetching,
				Asked:    a.Asked,
				LastPoll: timeOf(a.LastPoll), LastFetch: timeOf(a.LastFetch),
			})
		}
		return nil
	})
	return answer, err
}
