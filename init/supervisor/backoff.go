package supervisor

import "time"

const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 30 * time.Second
	healthy    = 60 * time.Second // READY for so long, a service begins with firstDelay again
)

// backoff says how long to wait before a service is started again. There is no last try.
type backoff struct{ delay time.Duration }

// next takes for how long the service was READY before it ended.
func (b *backoff) next(ready time.Duration) time.Duration {
	if ready >= healthy || b.delay == 0 {
		b.delay = firstDelay
	} else {
		b.delay = min(2*b.delay, lastDelay)
	}
	return b.delay
}
