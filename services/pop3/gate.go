package pop3

import "sync"

// A gate knows whether a session waits for its client. It ends one that waits at once, and one that is at
// work when that command is done.
type gate struct {
	interrupt func() // ends the wait; set once

	mu      sync.Mutex
	waiting bool
	closed  bool
}

// wait runs read, unless the gate is closed.
func (g *gate) wait(read func() error) error {
	if !g.begin() {
		return errStopping
	}
	defer g.end()
	return read()
}

// close lets no further wait begin.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.waiting {
		g.interrupt()
	}
}

func (g *gate) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = !g.closed
	return g.waiting
}

func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = false
}
