package queue

import "time"

// waits are those behind the first tries; then the last one again and again.
var waits = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour}

// spread is the jitter: a wait is stretched by up to so much, either way.
const spread = 0.1

// wait is that behind so many tries.
func wait(tries int) time.Duration {
	return waits[min(max(tries, 1), len(waits))-1]
}

// stretched applies the jitter; drawn is from 0 to 1.
func stretched(d time.Duration, drawn float64) time.Duration {
	return d + time.Duration(float64(d)*spread*(2*drawn-1))
}

// next says when a recipient is tried again, after so many tries: not behind the times at which its sender is to be
// told something. drawn is the same for all of a try: they stay together, and are sent one mail.
func next(now, received time.Time, tries int, drawn float64, times ...time.Duration) time.Time {
	at := now.Add(stretched(wait(tries), drawn))
	for _, d := range times {
		if moment := received.Add(d); d > 0 && moment.After(now) && moment.Before(at) {
			at = moment
		}
	}
	return at
}

// givesUp says whether a mail has been tried for long enough. The time alone doesn't say so: a clock may have jumped, or the box
// been off. So there have to be half of the tries, too, that so much time has room for.
func givesUp(now, received time.Time, tries int, after time.Duration) bool {
	return !now.Before(received.Add(after)) && tries >= triesIn(after)/2
}

// triesIn is how many waits there are in a time.
func triesIn(d time.Duration) int {
	n := 0
	for ; d > 0; d -= wait(n) {
		n++
	}
	return n
}
