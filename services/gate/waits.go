package gate

import (
	"errors"
	"sync"
	"time"
)

// ErrStopping is what a wait gives that may not begin any more.
var ErrStopping = errors.New("the service stops")

// Waits knows whether a session waits for its client. Once it is closed, one that waits ends at once, or after
// its pause where it has one; and one that is at work, when that command is done, or goes on with such pauses.
type Waits struct {
	interrupt func() // ends the wait; set once

	mu      sync.Mutex
	waiting bool
	pause   time.Duration // how long the wait may go on once Waits is closed
	late    *time.Timer   // ends it then; nil: none runs
	closed  bool
	onClose func() // ends what else waits; nil: nothing does
}

// NewWaits gives one whose waits end by interrupt.
func NewWaits(interrupt func()) *Waits { return &Waits{interrupt: interrupt} }

// Wait runs read. Once Waits is closed, it does so for pause at most.
func (w *Waits) Wait(pause time.Duration, read func() error) error {
	if !w.begin(pause) {
		return ErrStopping
	}
	defer w.end()
	return read()
}

// Close lets waits end.
func (w *Waits) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.onClose != nil {
		w.onClose()
	}
	if w.waiting {
		w.limit()
	}
}

// WhenClosed has end called once Waits is closed, until undo.
func (w *Waits) WhenClosed(end func()) (undo func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onClose = end
	if w.closed {
		end()
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.onClose = nil
	}
}

func (w *Waits) begin(pause time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && pause == 0 {
		return false
	}
	w.waiting, w.pause = true, pause
	if w.closed {
		w.limit()
	}
	return true
}

// limit is called with mu held.
func (w *Waits) limit() {
	if w.pause == 0 {
		w.interrupt()
	} else {
		w.late = time.AfterFunc(w.pause, w.interrupt)
	}
}

func (w *Waits) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	if w.late != nil {
		w.late.Stop()
		w.late = nil
	}
}
