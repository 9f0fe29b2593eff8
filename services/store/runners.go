package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

const (
	// runnerGrace is how long a runner of before the store's start has to come back to what it has under way.
	runnerGrace = 5 * time.Second
	// runnerWait is how long a call waits for its runner's life line, which is made anew when the store was away.
	runnerWait = time.Second
)

// runners knows which queue runner has which mail of the Transport Queue, and which mails wait for an account.
type runners struct {
	started time.Time
	grace   time.Duration

	mu     sync.Mutex
	lines  map[chan struct{}]uint64 // life lines that wait for a word, and their runners
	joined chan struct{}            // closed when a runner came; then there is a new one
	has    map[uint64]uint64        // mail → its runner, which may have ended
	waits  map[uint64]bool          // mails with a recipient whose user has no account
}

func (w *runners) start() {
	w.started, w.grace = time.Now(), runnerGrace
	w.lines = make(map[chan struct{}]uint64)
	w.joined = make(chan struct{})
	w.has = make(map[uint64]uint64)
	w.waits = make(map[uint64]bool)
}

// found takes in a mail that was there at the store's start.
func (w *runners) found(m *queued) {
	if m.Sending > 0 {
		w.has[m.id] = m.Runner
	}
	if m.Waits > 0 {
		w.waits[m.id] = true
	}
}

// keep takes in what a commit made of a mail.
func (w *runners) keep(m *queued) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Waits > 0 {
		w.waits[m.id] = true
	} else {
		delete(w.waits, m.id)
	}
	if m.Undone == 0 {
		delete(w.has, m.id)
	}
}

// mayWait takes in a mail that a commit has wait for an account: a later call of its batch may bring the account.
func (w *runners) mayWait(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits[id] = true
}

// waiting gives the mails that wait for an account, and maybe others.
func (w *runners) waiting() (ids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.waits {
		ids = append(ids, id)
	}
	return ids
}

// again says "look again" to every runner.
func (w *runners) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for look := range w.lines {
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

func (w *runners) join(runner uint64) (look chan struct{}) {
	look = make(chan struct{}, 1)
	look <- struct{}{}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[look] = runner
	close(w.joined)
	w.joined = make(chan struct{})
	return look
}

func (w *runners) part(look chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.lines, look)
}

// alive tells whether a runner has a life line; w.mu is held.
func (w *runners) alive(runner uint64) bool {
	for _, of := range w.lines {
		if of == runner {
			return true
		}
	}
	return false
}

// orphans gives the mails of runners that have ended.
func (w *runners) orphans() (ids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, runner := range w.has {
		if !w.alive(runner) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// take gives a mail to a runner that lives. It may be repeated.
func (w *runners) take(ctx context.Context, id, runner uint64) error {
	late := time.NewTimer(runnerWait)
	defer late.Stop()
	for {
		joined, err := w.try(id, runner)
		if joined == nil {
			return err
		}
		select {
		case <-joined:
		case <-late.C:
			return fmt.Errorf("%w: runner %d has no life line", contract.ErrConflict, runner)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *runners) try(id, runner uint64) (joined <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.alive(runner) {
		return w.joined, nil
	}
	if of, taken := w.has[id]; taken && of != runner {
		return nil, fmt.Errorf("%w: another runner has mail %d", contract.ErrConflict, id)
	}
	w.has[id] = runner
	return nil, nil
}

// mayEnd refuses a runner's word for a mail that another one has.
func (w *runners) mayEnd(id, runner uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if of, taken := w.has[id]; taken && of != runner && w.alive(of) {
		return fmt.Errorf("%w: another runner has mail %d", contract.ErrConflict, id)
	}
	return nil
}

// giveBack ends a runner's having a mail.
func (w *runners) giveBack(id, runner uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.has[id] == runner {
		delete(w.has, id)
	}
}

// free ends anyone's.
func (w *runners) free(ids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if !w.alive(w.has[id]) {
			delete(w.has, id)
		}
	}
}

// Deliver is a queue runner's life line. What one that ended had begun is for others again, in doubt.
func (p smtp) Deliver(ctx context.Context, q *contract.DeliverRequest, stream contract.Smtp_DeliverServer) error {
	look := p.runners.join(q.Runner)
	free := func() { p.freeOrphans(context.WithoutCancel(ctx)) }
	if early := time.Until(p.runners.started.Add(p.runners.grace)); early > 0 {
		defer time.AfterFunc(early, free).Stop()
	} else {
		free()
	}
	err := p.speak(ctx, look, stream)
	p.runners.part(look)
	select {
	case <-p.ending: // it is the store that ends: its next run sees who comes back
	default:
		free()
	}
	return contract.ToStatus(err)
}

// orphansAtOnce bounds a commit.
const orphansAtOnce = 500

// freeOrphans has what runners had begun, and nobody can say the end of, tried again.
func (s *Store) freeOrphans(ctx context.Context) {
	for ids := range slices.Chunk(s.runners.orphans(), orphansAtOnce) {
		err := s.db.Update(ctx, func(t *engine.Txn) error {
			for _, id := range ids {
				m, err := findQueued(&t.Reader, id)
				if err != nil {
					return err
				}
				if m == nil || m.Sending == 0 {
					continue
				}
				doubt(t, m)
				if err := s.keepTransport(t, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil { // the next runner comes by here again
			s.log.Error("mail that a runner had begun stays with it", "messages", len(ids), "err", err)
			return
		}
		s.runners.free(ids)
	}
	s.runners.again()
}

const doubtText = "the box stopped during a try: whether the mail arrived isn't known, and it may come twice"

func doubt(t *engine.Txn, m *queued) {
	for i, r := range m.recipients {
		if r.State != sending {
			continue
		}
		r = m.touch(i)
		r.State, r.Doubt, r.Text = waiting, true, doubtText
		r.Tries++
		r.NextTry, r.Changed = t.Now().UnixNano(), t.Now().UnixNano()
		grantWish(t, r)
	}
}

// releaseWaiting has the mails tried again whose user has an account now. It's for each commit that gives a user an account
// or an address, or takes an address off one: it may be an account's login.
func (s *Store) releaseWaiting(t *engine.Txn) error {
	for _, id := range s.runners.waiting() {
		m, err := findQueued(&t.Reader, id)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		released := false
		for i, r := range m.recipients {
			if r.State != onHold || !r.NoAccount {
				continue
			}
			_, to, err := lookUpRecipient(&t.Reader, r.Address)
			if err != nil {
				return err
			}
			if to != nil {
				release(t, m.touch(i))
				released = true
			}
		}
		if released {
			s.saveTransport(t, m)
		}
	}
	return nil
}

func release(t *engine.Txn, r *rows.Recipient) {
	r.State, r.NoAccount = waiting, false
	r.NextTry, r.Changed = t.Now().UnixNano(), t.Now().UnixNano()
}
