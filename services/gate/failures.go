package gate

import (
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
}

// attempt is what is known of a login before it is tried.
type attempt struct {
	keys  [2]uint64 // whose counts a failure adds to; the second may be 0
	pair  uint64    // of place and account
	level float64   // the higher of the counts
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

// look gives what is known of a login.
func (f *failures) look(from netip.Prefix, name string, limit int, now time.Time) attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin()
	name = strings.ToLower(name) // as the provider's host, and most logins, know no case
	place, account := maphash.Comparable(f.seed, from), maphash.String(f.seed, name)
	a := attempt{pair: maphash.Comparable(f.seed, [2]uint64{place, account})}
	if f.get(a.pair).good {
		a.keys[0] = a.pair
	} else {
		a.keys = [2]uint64{place, account}
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
		if key == 0 {
			continue
		}
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
