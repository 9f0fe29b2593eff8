package store

import (
	"context"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// freshness has the logins that wait for a fetch, and what is known of fetches beside the accounts' rows.
type freshness struct {
	mu      sync.Mutex
	waiting map[accountID]map[*freshWait]struct{}
	failed  map[accountID]time.Time // when the last fetch ended, of accounts whose last one failed
}

// freshWait is a login that waits for a fetch: begun since, and ended.
type freshWait struct {
	look chan struct{} // holds 1: look again

	begun, ended bool // guarded by freshness.mu
}

func (f *freshness) start() {
	f.waiting = make(map[accountID]map[*freshWait]struct{})
	f.failed = make(map[accountID]time.Time)
}

func (f *freshness) wait(id accountID) (w *freshWait, stop func()) {
	w = &freshWait{look: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting[id] == nil {
		f.waiting[id] = make(map[*freshWait]struct{})
	}
	f.waiting[id][w] = struct{}{}
	return w, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if delete(f.waiting[id], w); len(f.waiting[id]) == 0 {
			delete(f.waiting, id)
		}
	}
}

// tell has an account's logins look again, once change was made to each.
func (f *freshness) tell(id accountID, change func(*freshWait)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.waiting[id] {
		change(w)
		select {
		case w.look <- struct{}{}:
		default:
		}
	}
}

// join has a login wait for the fetch that is under way.
func (f *freshness) join(w *freshWait) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.begun = true
}

func (f *freshness) fetchBegan(id accountID) {
	f.tell(id, func(w *freshWait) { w.begun = true })
}

func (f *freshness) fetchEnded(id accountID, succeeded bool, now time.Time) {
	f.tell(id, func(w *freshWait) { w.ended = w.begun })
	f.mu.Lock()
	defer f.mu.Unlock()
	if succeeded {
		delete(f.failed, id)
	} else {
		f.failed[id] = now
	}
}

func (f *freshness) forget(id accountID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.failed, id)
}

func (f *freshness) validated(id accountID) { f.tell(id, func(*freshWait) {}) }

func (f *freshness) isOver(w *freshWait) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return w.ended
}

func (f *freshness) failedSince(id accountID, since time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed[id].After(since)
}

// AwaitFetch wants a fetch for an account, and returns when one that began since then has ended, and what the In Queue had
// of the account was validated. Where none can begin now it doesn't wait; but then for the end of one that is
// under way.
func (p pop3) AwaitFetch(ctx context.Context, q *contract.AwaitFetchRequest) (*contract.AwaitFetchResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	w, stop := p.fresh.wait(id)
	defer stop()
	over := false
	err = p.updateAccount(ctx, id, func(t *engine.Txn, a *account) error {
		over = false
		a.Wanted = true
		if p.mayFetch(a, t.Now()) {
			return nil
		}
		if over = !a.Fetching; !over {
			t.After(func() { p.fresh.join(w) })
		}
		return nil
	})
	for err == nil && !over {
		select {
		case <-w.look:
			over, err = p.isFresh(w, id)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return &contract.AwaitFetchResponse{}, err
}

// mayFetch tells whether the fetcher would begin a fetch now that is wanted.
func (s *Store) mayFetch(a *account, now time.Time) bool {
	in := s.settings.Load()
	since := now.Sub(time.Unix(0, a.LastFetch))
	switch {
	case a.Paused, a.Refused:
		return false
	case a.LastFetch != 0 && since >= 0 && since < in.Provider(a.Host).MinInterval:
		return false
	}
	return !s.fresh.failedSince(a.id, now.Add(-in.Fetch.RetryFirst))
}

func (s *Store) isFresh(w *freshWait, id accountID) (bool, error) {
	if !s.fresh.isOver(w) {
		return false, nil
	}
	var in rows.Total
	err := s.db.View(func(r *engine.Reader) error {
		_, err := r.Load(engine.Totals, totalKey(engine.In, id[:]), &in)
		return err
	})
	return in.Messages == 0, err
}
