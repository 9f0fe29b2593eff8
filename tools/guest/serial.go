package guest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
)

// serial keeps what a guest writes.
type serial struct {
	copyTo io.Writer // nil: nobody

	mu      sync.Mutex // guards what follows
	all     []byte
	ended   bool
	changed chan struct{} // closed, and made anew, at each change
}

func newSerial(copyTo io.Writer) *serial {
	return &serial{copyTo: copyTo, changed: make(chan struct{})}
}

// Write never fails: a copy that nobody takes must not stop the guest.
func (s *serial) Write(p []byte) (int, error) {
	if s.copyTo != nil {
		s.copyTo.Write(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p...)
	s.tell()
	return len(p), nil
}

func (s *serial) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.tell()
}

// tell wakes who waits. The caller holds mu.
func (s *serial) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait gives the first whole line with text in it.
func (s *serial) wait(ctx context.Context, text string) (string, error) {
	seen := 0
	for {
		s.mu.Lock()
		for {
			n := bytes.IndexByte(s.all[seen:], '\n')
			if n < 0 {
				break
			}
			line := string(bytes.TrimRight(s.all[seen:seen+n], "\r"))
			seen += n + 1
			if strings.Contains(line, text) {
				s.mu.Unlock()
				return line, nil
			}
		}
		ended, changed := s.ended, s.changed
		s.mu.Unlock()
		if ended {
			return "", ErrEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// tail gives the last octets.
func (s *serial) tail(octets int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.all[max(0, len(s.all)-octets):])
}
