package fetcher

import (
	"sync"
	"time"
)

const (
	// mostDrops is more than the limits of a session can be halved.
	mostDrops = 10
	// lockStepFor is how long an account is fetched for in lock-step, once its provider got stuck over pipelined commands.
	lockStepFor = 24 * time.Hour
)

// lines remembers how sessions fared on the lines to their providers, of accounts where not all is well. The zero
// value is ready.
type lines struct {
	mu  sync.Mutex
	bad map[string]line // by account
}

// line is what the next session has to know of those before it.
type line struct {
	// drops counts those in a row that broke before their QUIT: the next ones are kept shorter, and don't pipeline, so
	// that one comes to its deletions. Each that does makes them longer again.
	drops int
	// stuck is when one got stuck over pipelined commands: some providers offer PIPELINING and lose what comes before they
	// answered, and each try costs a session that waits for command_timeout.
	stuck time.Time
}

// lockStep tells whether a session is to do without pipelining, however well the last ones went.
func (l line) lockStep(now time.Time) bool {
	return !l.stuck.IsZero() && now.Sub(l.stuck) < lockStepFor
}

func (l *lines) of(account string) line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bad[account]
}

// judge takes how a session ended.
func (l *lines) judge(account string, broke, stuck bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.bad[account]
	if broke {
		next.drops = min(next.drops+1, mostDrops)
	} else {
		next.drops = max(next.drops-1, 0)
	}
	switch {
	case stuck:
		next.stuck = now
	case !next.lockStep(now):
		next.stuck = time.Time{}
	}
	if next == (line{}) {
		delete(l.bad, account)
		return
	}
	if l.bad == nil {
		l.bad = map[string]line{}
	}
	l.bad[account] = next
}

// forget is for an account that is gone.
func (l *lines) forget(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.bad, account)
}
