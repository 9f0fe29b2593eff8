package store

import (
	"context"
	"fmt"
	"sync"

	"postroom/services/contract"
)

// hub says "look again" to those who watch a topic.
type hub struct {
	mu       sync.Mutex
	watchers map[contract.Topic]map[chan struct{}]struct{}
}

// watch gives a channel that holds a word from the beginning, and from each again on.
func (h *hub) watch(topic contract.Topic) (look chan struct{}, stop func()) {
	look = make(chan struct{}, 1)
	look <- struct{}{}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = make(map[contract.Topic]map[chan struct{}]struct{})
	}
	if h.watchers[topic] == nil {
		h.watchers[topic] = make(map[chan struct{}]struct{})
	}
	h.watchers[topic][look] = struct{}{}
	return look, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers[topic], look)
	}
}

func (h *hub) again(topic contract.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for look := range h.watchers[topic] {
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

// lookStream is the server's side of a stream that only says "look again".
type lookStream interface{ Send(*contract.Look) error }

// speak sends a word for each of look until ctx, the stream or the store ends.
func (s *Store) speak(ctx context.Context, look <-chan struct{}, stream lookStream) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ending:
			return fmt.Errorf("%w: the store stops", contract.ErrUnavailable)
		case <-look:
		}
		if err := stream.Send(&contract.Look{}); err != nil {
			return err
		}
	}
}
