package journal

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// A sink is one place that lines go to: a goroutine writes, and a buffer waits for it.
type sink struct {
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	wake    *sync.Cond
	waiting []byte
	dropped int // lines
	begun   bool
	ended   bool
}

func newSink() *sink {
	s := new(sink)
	s.wake = sync.NewCond(&s.mu)
	return s
}

// put adds lines to those that wait, or drops them.
func (s *sink) put(lines []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if len(s.waiting)+len(lines) > maxWaiting {
		s.dropped += bytes.Count(lines, []byte("\n"))
		return
	}
	s.waiting = append(s.waiting, lines...)
	s.wake.Signal()
}

// begin has a goroutine write to w. It is called once.
func (s *sink) begin(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun || s.ended {
		return
	}
	s.begun = true
	s.running.Go(func() {
		var lines []byte
		for {
			var dropped int
			var more bool
			if lines, dropped, more = s.take(lines[:0]); !more {
				break
			}
			if len(lines) > 0 {
				if _, err := w.Write(lines); err != nil {
					s.lose(lines)
				}
			}
			if dropped > 0 {
				fmt.Fprintf(w, "level=WARN msg=\"log lines were dropped\" service=init lines=%d\n", dropped)
			}
		}
		if c, ok := w.(io.Closer); ok {
			c.Close() // nobody is left to be told
		}
	})
}

// take waits for lines and swaps them for an empty buffer; more is false at the end.
func (s *sink) take(empty []byte) (lines []byte, dropped int, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 && !s.ended {
		s.wake.Wait()
	}
	lines, s.waiting = s.waiting, empty
	dropped, s.dropped = s.dropped, 0
	return lines, dropped, len(lines) > 0 || dropped > 0
}

// lose counts lines that could not be written.
func (s *sink) lose(lines []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended { // else nobody would ever hear of it
		s.dropped += bytes.Count(lines, []byte("\n"))
	}
}

func (s *sink) end() {
	s.mu.Lock()
	s.ended = true
	s.wake.Signal()
	s.mu.Unlock()
	s.running.Wait()
}
