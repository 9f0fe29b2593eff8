package gate

import (
	"context"
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const maxDelay = 5 // seconds that a refusal is put off, one more for each failure before

// failures counts logins that failed: by where they came from, and by the account that they were to. Where an account was
// lately logged in to from, it has a count of its own, for that place alone: so neither a neighbour's client with an
// old password nor somebody who guesses from elsewhere keeps its user out.
//
// Each count runs down by the limit in a minute. The zero value is ready.
type failures struct {
	mu sync.Mutex
	counts
	trying map[uint64]int // logins that are being tried, by key; no zeros
	ended  chan struct{}  // closed when one of them ends; nil: nobody waits for that
}

// attempt is what is known of a login before it is tried.
type attempt struct {
	keys  []uint64 // whose counts a failure adds to
	pair  uint64   // of place and account
	level float64  // the higher of the counts
}

// allows tells whether one more may be tried under a limit.
func (a attempt) allows(limit int) bool { return limit == 0 || a.level+1 <= float64(limit) }

// delay is how much later a refusal is told.
func (a attempt) delay(limit int) time.Duration {
	if limit == 0 {
		return 0
	}
	return time.Duration(min(a.level, maxDelay) * float64(time.Second))
}

// begin gives what is known of a login. If that allows it, its caller tries it and calls end. It waits while as many are
// being tried as the limit allows to fail: else whoever tries many at the same moment would pass it. When ctx ends
// meanwhile, the login isn't to be tried.
func (f *failures) begin(ctx context.Context, from netip.Prefix, name string, limit int) (a attempt, allowed bool) {
	for {
		a, ended := f.try(from, name, limit)
		if ended == nil {
			return a, a.allows(limit)
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return a, false
		}
	}
}

// try takes a login among those being tried, unless it isn't allowed; or gives the channel that tells when to look again.
func (f *failures) try(from netip.Prefix, name string, limit int) (attempt, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.look(from, name, limit, time.Now())
	if !a.allows(limit) {
		return a, nil
	}
	ahead := 0
	for _, key := range a.keys {
		ahead = max(ahead, f.trying[key])
	}
	if limit > 0 && a.level+float64(ahead)+1 > float64(limit) {
		if f.ended == nil {
			f.ended = make(chan struct{})
		}
		return a, f.ended
	}
	if f.trying == nil {
		f.trying = make(map[uint64]int)
	}
	for _, key := range a.keys {
		f.trying[key]++
	}
	return a, nil
}

// end is called once, when a login was tried: after failed or accepted.
func (f *failures) end(a attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range a.keys {
		if f.trying[key]--; f.trying[key] == 0 {
			delete(f.trying, key)
		}
	}
	if f.ended != nil {
		close(f.ended)
		f.ended = nil
	}
}

// look gives what is known of a login. It is called with mu held.
func (f *failures) look(from netip.Prefix, name string, limit int, now time.Time) attempt {
	f.counts.begin()
	name = strings.ToLower(name) // as the provider's host, and most logins, know no case
	place, account := maphash.Comparable(f.seed, from), maphash.String(f.seed, name)
	a := attempt{pair: maphash.Comparable(f.seed, [2]uint64{place, account})}
	if f.get(a.pair).good {
		a.keys = []uint64{a.pair}
	} else {
		a.keys = []uint64{place, account}
	}
	for _, key := range a.keys {
		a.level = max(a.level, f.get(key).now(limit, now).level)
	}
	return a
}

// failed counts a login that was refused.
func (f *failures) failed(a attempt, limit int, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range a.keys {
		c := f.get(key).now(limit, now)
		c.level = min(c.level+1, float64(limit))
		f.put(key, c)
	}
}

// accepted keeps where an account was logged in to from.
func (f *failures) accepted(a attempt, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(a.pair, count{at: now, good: true})
}
