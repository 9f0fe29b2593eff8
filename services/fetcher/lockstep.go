package fetcher

import (
	"sync"
	"time"

	"postroom/services/fetcher/provider"
)

// lockStepFor is how long an account is fetched for in lock-step, once its provider got stuck over pipelined commands.
const lockStepFor = 24 * time.Hour

// lockStep remembers accounts whose providers offer PIPELINING and lose what comes before they answered: each try costs
// a session that waits for command_timeout. The zero value is ready.
type lockStep struct {
	mu    sync.Mutex
	since map[string]time.Time // by account
}

// apply has a session go in lock-step where the account's provider got stuck lately.
func (l *lockStep) apply(account string, c *provider.Conn, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, stuck := l.since[account]
	switch {
	case stuck && now.Sub(since) < lockStepFor:
		c.LockStep()
	case stuck:
		delete(l.since, account)
	}
}

// judge takes what a session ended with.
func (l *lockStep) judge(account string, c *provider.Conn, err error, now time.Time) {
	if !c.Stuck(err) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since == nil {
		l.since = map[string]time.Time{}
	}
	l.since[account] = now
}
