package gate

import (
	"hash/maphash"
	"sync"
	"time"
)

// Rates count what somebody does, of which so much is allowed in a minute. The zero value is ready.
type Rates struct {
	mu sync.Mutex
	counts
}

// Take counts one more of somebody's, unless it's over the limit (0: there is none); then it isn't counted.
func (r *Rates) Take(who string, limit int, now time.Time) bool {
	if limit == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin()
	key := maphash.String(r.seed, who)
	c := r.get(key).now(limit, now)
	if c.level+1 > float64(limit) {
		return false
	}
	c.level++
	r.put(key, c)
	return true
}
