package fetcher

import (
	"sync"
	"time"

	"postroom/services/fetcher/provider"
)

// apart is how far two bare refusals of a password have to be from each other to mean it.
const apart = 15 * time.Minute

// refusals remembers bare refusals: one may be anything, two that are apart mean that the password is wrong. The
// zero value is ready.
type refusals struct {
	mu    sync.Mutex
	first map[string]time.Time // by account
}

// judge takes how a login went, and tells whether the provider definitely refused it.
func (r *refusals) judge(account string, err error, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil, provider.DefinitelyRefused(err):
		delete(r.first, account)
		return err != nil
	case !provider.BarelyRefused(err):
		return false
	}
	first, again := r.first[account]
	if again && now.Sub(first) >= apart {
		delete(r.first, account)
		return true
	}
	if !again {
		if r.first == nil {
			r.first = map[string]time.Time{}
		}
		r.first[account] = now
	}
	return false
}

// forget is for an account that is gone.
func (r *refusals) forget(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.first, account)
}
