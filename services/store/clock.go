package store

import (
	"sync"
	"time"
)

// maxJump is how far the clock may step against the machine's own running time before it is doubted.
const maxJump = 24 * time.Hour

// clock tells whether anything may expire: not while the clock isn't known to be good, nor after it jumped.
type clock struct {
	now     func() time.Time
	running func() time.Duration // since the machine was started, time asleep counted; no one sets it

	mu   sync.Mutex // guards what follows
	good bool
	at   time.Time     // at the last report
	ran  time.Duration // at the last report
}

func (c *clock) start(now func() time.Time) { c.now, c.running = now, runningTime }

// report takes init's word for the clock: network time agrees, or the machine keeps time by itself.
func (c *clock) report(good bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.good, c.at, c.ran = good, c.now().Round(0), c.running()
}

// isGood looks for a jump since the last report, too.
func (c *clock) isGood() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	jump := c.now().Round(0).Sub(c.at) - (c.running() - c.ran)
	if c.good && jump.Abs() > maxJump {
		c.good = false
	}
	return c.good
}
