package pop3

import (
	"sync"
	"time"
)

// A gate knows whether a session waits for its client. Once it is closed, one that waits ends at once, or after
// its pause where it has one; and one that is at work, when that command is done, or goes on with such pauses.
type gate struct {
	interrupt func() // ends the wait; set once

	mu      sync.Mutex
	waiting bool
	pause   time.Duration // how long the wait may go on once the gate is closed
	late    *time.Timer   // ends it then; nil: none runs
	closed  bool
	onClose func() // ends what else waits; nil: nothing does
}

// wait runs read. Once the gate is closed, it does so for pause at most.
func (g *gate) wait(pause time.Duration, read func() error) error {
	if !g.begin(pause) {
		return errStopping
	}
	defer g.end()
	return read()
}

// close lets waits end.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.onClose != nil {
		g.onClose()
	}
	if g.waiting {
		g.limit()
	}
}

// whenClosed has end called once the gate is closed, until undo.
func (g *gate) whenClosed(end func()) (undo func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.onClose = end
	if g.closed {
		end()
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.onClose = nil
	}
}

func (g *gate) begin(pause time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed && pause == 0 {
		return false
	}
	g.waiting, g.pause = true, pause
	if g.closed {
		g.limit()
	}
	return true
}

// limit is called with mu held.
func (g *gate) limit() {
	if g.pause == 0 {
		g.interrupt()
	} else {
		g.late = time.AfterFunc(g.pause, g.interrupt)
	}
}

func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = false
	if g.late != nil {
		g.late.Stop()
		g.late = nil
	}
}
