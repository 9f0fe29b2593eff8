package gate

import (
	"hash/maphash"
	"time"
)

const maxCounts = 10_000 // of each generation; a count and its key have 48 octets

// counts are of what somebody did lately; each runs down by its limit in a minute. Memory is bounded: when the young
// generation is full, it becomes the old one, and what the old one had is forgotten unless it was used since. Names are
// kept as hashes. The zero value is ready; who has it holds a lock.
type counts struct {
	seed       maphash.Seed
	young, old map[uint64]count
}

type count struct {
	level float64 // what is not run down yet
	at    time.Time
	good  bool // of failures, for a place and an account: a login was accepted
}

// begin makes seed fit to be used.
func (t *counts) begin() {
	if t.young == nil {
		t.seed, t.young = maphash.MakeSeed(), make(map[uint64]count)
	}
}

func (c count) now(limit int, now time.Time) count {
	c.level = max(0, c.level-now.Sub(c.at).Minutes()*float64(limit))
	c.at = now
	return c
}

func (t *counts) get(key uint64) count {
	c, ok := t.young[key]
	if !ok {
		c = t.old[key]
	}
	return c
}

func (t *counts) put(key uint64, c count) {
	if _, ok := t.young[key]; !ok && len(t.young) >= maxCounts {
		t.old, t.young = t.young, make(map[uint64]count)
	}
	t.young[key] = c
}
