package smtp

import (
	"context"
	"errors"
	"time"

	"postroom/services/contract"
)

// submitWait is how long a mail is offered to a store that is away, or couldn't write, before its client is told to come again.
const submitWait = 60 * time.Second

// Pauses between tries of a store that answers that it couldn't.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// submit has the store take a mail, and gives its id: then it is on disk. The key makes it the same mail however often it is
// offered.
func (s *server) submit(ctx context.Context, m *contract.SubmitMail) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, submitWait)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		id, err := s.store.Submit(ctx, m)
		if err == nil || !errors.Is(err, contract.ErrUnavailable) {
			return id, err
		}
		select {
		case <-ctx.Done():
			return 0, errors.Join(context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}
