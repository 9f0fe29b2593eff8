package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// accountLog knows which accounts changed since when, so that the fetcher asks only for those. It lives as
// long as the store does: a cursor of another run of it gives all accounts.
type accountLog struct {
	mu       sync.Mutex
	run      uint64
	revision uint64
	latest   map[accountID]uint64 // the revision of an account's last change
	order    []accountChange      // by revision; older changes of an account stand there until compacted
}

type accountChange struct {
	revision uint64
	id       accountID
}

func (l *accountLog) start() {
	l.run = rand.Uint64()
	l.latest = make(map[accountID]uint64)
}

func (l *accountLog) add(id accountID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revision++
	l.latest[id] = l.revision
	l.order = append(l.order, accountChange{l.revision, id})
	if len(l.order) > 2*len(l.latest)+64 {
		l.order = slices.DeleteFunc(l.order, func(c accountChange) bool { return l.latest[c.id] != c.revision })
	}
}

// changed notes an account that came, went or changed.
func (l *accountLog) changed(id accountID, s *Store) {
	l.add(id)
	s.look.again(contract.Topic_TOPIC_ACCOUNTS)
}

// since gives up to most accounts that changed after a cursor, and the cursor behind them.
func (l *accountLog) since(cursor []byte, most int) (ids []accountID, next []byte, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	after := uint64(0)
	if len(cursor) == 16 && binary.BigEndian.Uint64(cursor) == l.run {
		after = binary.BigEndian.Uint64(cursor[8:])
	}
	i, _ := slices.BinarySearchFunc(l.order, after+1, func(c accountChange, revision uint64) int {
		return int(int64(c.revision) - int64(revision))
	})
	for ; i < len(l.order); i++ {
		c := l.order[i]
		if l.latest[c.id] != c.revision {
			continue
		}
		if len(ids) == most {
			more = true
			break
		}
		ids = append(ids, c.id)
		after = c.revision
	}
	next = binary.BigEndian.AppendUint64(nil, l.run)
	return ids, binary.BigEndian.AppendUint64(next, after), more
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
	ids, cursor, more := f.accounts.since(q.Cursor, accountsPerCall)
	answer := &contract.ListAccountsResponse{Cursor: cursor, More: more}
	err := f.db.View(func(r *engine.Reader) error {
		for _, id := range ids {
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
				Paused: a.Paused, Refused: a.Refused, Wanted: a.Wanted,
				LastPoll: timeOf(a.LastPoll), LastFetch: timeOf(a.LastFetch),
			})
		}
		return nil
	})
	return answer, err
}
