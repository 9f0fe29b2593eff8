package store

import (
	"bytes"
	"sync"
	"time"
)

// Limits of what a login may cost its provider.
const (
	triesPerHour  = 5
	rememberNo    = 15 * time.Minute // a refused password is not tried again for so long
	maxTriedNames = 10_000           // remembered names; beyond, the oldest is forgotten
)

// tries counts logins that were tried at a provider, by the identity of the compound name.
type tries struct {
	mu   sync.Mutex
	name map[string]*tried
}

type tried struct {
	at      []time.Time // within the last hour
	refused []refusedPassword
}

type refusedPassword struct {
	check []byte
	at    time.Time
	text  string
}

// begin asks to try a password. refused: it was refused within the last minutes, with text. Not allowed: too
// many tries within the hour.
func (t *tries) begin(key string, check []byte, now time.Time) (allowed, refused bool, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.name == nil {
		t.name = make(map[string]*tried)
	}
	n := t.name[key]
	if n == nil {
		t.makeRoom()
		n = &tried{}
		t.name[key] = n
	}
	n.forget(now)
	for _, r := range n.refused {
		if bytes.Equal(r.check, check) {
			return false, true, r.text
		}
	}
	if len(n.at) >= triesPerHour {
		return false, false, ""
	}
	n.at = append(n.at, now)
	return true, false, ""
}

// end keeps what came of a try: a refused password is remembered, an accepted login forgets all.
func (t *tries) end(key string, check []byte, accepted, refused bool, text string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.name[key]
	switch {
	case n == nil:
	case accepted:
		delete(t.name, key)
	case refused:
		n.refused = append(n.refused, refusedPassword{check, now, text})
	}
}

func (n *tried) forget(now time.Time) {
	for len(n.at) > 0 && now.Sub(n.at[0]) > time.Hour {
		n.at = n.at[1:]
	}
	for len(n.refused) > 0 && now.Sub(n.refused[0].at) > rememberNo {
		n.refused = n.refused[1:]
	}
}

// makeRoom forgets the name whose last try is the longest ago, where there are too many.
func (t *tries) makeRoom() {
	if len(t.name) < maxTriedNames {
		return
	}
	oldest, at := "", time.Time{}
	for key, n := range t.name {
		last := time.Time{}
		if len(n.at) > 0 {
			last = n.at[len(n.at)-1]
		}
		if oldest == "" || last.Before(at) {
			oldest, at = key, last
		}
	}
	delete(t.name, oldest)
}
