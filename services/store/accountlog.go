package store

import (
	"cmp"
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

// changedAccount is an account that changed after a cursor.
type changedAccount struct {
	id    accountID
	fresh bool // to who asks: the cursor began with another run of the store, or with none
}

// cursorSize is a cursor's octets: run 8 | revision 8 | the last revision that is fresh to who asks 8.
const cursorSize = 24

// since gives up to most accounts that changed after a cursor, and the cursor behind them.
func (l *accountLog) since(cursor []byte, most int) (list []changedAccount, next []byte, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	after, freshTo := uint64(0), l.revision
	if len(cursor) == cursorSize && binary.BigEndian.Uint64(cursor) == l.run {
		after, freshTo = binary.BigEndian.Uint64(cursor[8:]), binary.BigEndian.Uint64(cursor[16:])
	}
	i, _ := slices.BinarySearchFunc(l.order, after+1, func(c accountChange, revision uint64) int {
		return cmp.Compare(c.revision, revision)
	})
	for ; i < len(l.order); i++ {
		c := l.order[i]
		if l.latest[c.id] != c.revision {
			continue
		}
		if len(list) == most {
			more = true
			break
		}
		list = append(list, changedAccount{c.id, c.revision <= freshTo})
		after = c.revision
	}
	next = binary.BigEndian.AppendUint64(nil, l.run)
	next = binary.BigEndian.AppendUint64(next, after)
	return list, binary.BigEndian.AppendUint64(next, freshTo), more
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
	answer := &contract.ListAccountsResponse{Cursor: cursor, More: more}
	err := f.db.View(func(r *engine.Reader) error {
		for _, c := range list {
			id := c.id
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
