package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// validator serves the validator service.
type validator struct{ *Store }

// workers knows which validator has which message of the In Queue.
type workers struct {
	mu    sync.Mutex
	lines map[chan struct{}]uint64 // life lines that wait for a word, and their workers
	taken map[uint64]taken         // by message id

	waits bool // a message waits until those that are taken come back
}

type taken struct {
	worker uint64
	deaths uint32 // of validators that had it before
}

func (w *workers) start() {
	w.lines = make(map[chan struct{}]uint64)
	w.taken = make(map[uint64]taken)
}

// again says "look again" to every validator.
func (w *workers) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for look := range w.lines {
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

func (w *workers) join(worker uint64) (look chan struct{}) {
	look = make(chan struct{}, 1)
	look <- struct{}{}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[look] = worker
	return look
}

// part ends a life line, and gives what its worker still had.
func (w *workers) part(look chan struct{}, worker uint64) (left []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.lines, look)
	for id, t := range w.taken {
		if t.worker == worker {
			left = append(left, id)
		}
	}
	return left
}

// alive tells whether a worker has a life line; w.mu is held.
func (w *workers) alive(worker uint64) bool {
	for _, of := range w.lines {
		if of == worker {
			return true
		}
	}
	return false
}

// giveBack ends a taking. again: the message itself may be taken once more.
func (w *workers) giveBack(id uint64, again bool) {
	w.mu.Lock()
	delete(w.taken, id)
	again = again || w.waits
	w.waits = false
	w.mu.Unlock()
	if again {
		w.again()
	}
}

// Work is a validator's life line.
func (v validator) Work(ctx context.Context, q *contract.WorkRequest, stream contract.Validator_WorkServer) error {
	look := v.workers.join(q.Worker)
	err := v.speak(ctx, look, stream)
	if errors.Is(err, contract.ErrUnavailable) {
		return contract.ToStatus(err) // it is the store that ends
	}
	for _, id := range v.workers.part(look, q.Worker) {
		if err := v.countDeath(context.WithoutCancel(ctx), id); err != nil {
			v.log.Error("a validator's death is not counted", "message", id, "err", err)
		}
		v.workers.giveBack(id, true)
	}
	return err
}

func (v validator) countDeath(ctx context.Context, id uint64) error {
	return v.db.Update(ctx, func(t *engine.Txn) error {
		var m rows.Message
		found, err := t.Load(engine.In, idKey(id), &m)
		if err != nil || !found {
			return err
		}
		m.Deaths++
		t.Save(engine.In, idKey(id), &m)
		t.After(func() { v.log.Warn("a validator ended while it had a message", "message", id, "deaths", m.Deaths) })
		return nil
	})
}

// Take gives the oldest message that nobody has. A message in whose handling a validator died is given out
// alone, so that another death is counted for the right one.
func (v validator) Take(_ context.Context, q *contract.TakeRequest) (*contract.TakeResponse, error) {
	answer := &contract.TakeResponse{None: true}
	w := &v.workers
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.alive(q.Worker) {
		return nil, fmt.Errorf("%w: worker %d has no life line", contract.ErrConflict, q.Worker)
	}
	for _, t := range w.taken {
		if t.deaths > 0 {
			w.waits = true
			return answer, nil
		}
	}
	err := v.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.In, nil, nil) {
			id := idOfKey(key)
			if _, has := w.taken[id]; has {
				continue
			}
			var m rows.Message
			if _, err := r.Load(engine.In, key, &m); err != nil {
				return err
			}
			if m.Deaths > 0 && len(w.taken) > 0 {
				w.waits = true
				return nil
			}
			w.taken[id] = taken{worker: q.Worker, deaths: m.Deaths}
			answer = &contract.TakeResponse{
				Id: id, Account: m.Account, Body: contractBody(m.Body), Deaths: m.Deaths, Incomplete: m.Incomplete,
			}
			return nil
		}
		return nil
	})
	return answer, err
}

// Settle moves a message to its account's Out Queue, with the prefix that it is served with from now on.
func (v validator) Settle(ctx context.Context, q *contract.SettleRequest) (*contract.SettleResponse, error) {
	if q.Verdict != contract.VerdictDeliver {
		return nil, fmt.Errorf("%w: verdict %q", contract.ErrInvalid, q.Verdict)
	}
	if err := checkPrefix(q.Prefix); err != nil {
		return nil, err
	}
	err := v.db.Update(ctx, func(t *engine.Txn) error {
		var m rows.Message
		found, err := t.Load(engine.In, idKey(q.Id), &m)
		if err != nil || !found {
			return err // not there: settled already
		}
		id, err := parseAccount(m.Account)
		if err != nil {
			return err
		}
		if _, err := leave(t, engine.In, id, q.Id); err != nil {
			return err
		}
		m.Uidl, m.Prefix, m.Verdict = newUIDL(), q.Prefix, q.Verdict
		t.After(func() {
			v.look.again(contract.Topic_TOPIC_QUEUES)
			v.fresh.validated(id)
		})
		return enter(t, engine.Out, q.Id, &m)
	})
	if err == nil {
		v.workers.giveBack(q.Id, false)
	}
	return &contract.SettleResponse{}, err
}

func (v validator) Release(_ context.Context, q *contract.ReleaseRequest) (*contract.ReleaseResponse, error) {
	v.workers.giveBack(q.Id, true)
	return &contract.ReleaseResponse{}, nil
}

// maxPrefix bounds the lines in front of a body, in octets.
const maxPrefix = 16 << 10

// verdictField begins the prefix's last line.
var verdictField = []byte("X-Postroom-Verdict: ")

func checkPrefix(prefix []byte) error {
	lines := bytes.SplitAfter(prefix, []byte("\r\n"))
	last := len(lines) - 2
	if len(prefix) > maxPrefix || last < 0 || len(lines[last+1]) != 0 || !bytes.HasPrefix(lines[last], verdictField) {
		return fmt.Errorf("%w: a prefix is whole header lines, the last of them %q, %d octets at most", contract.ErrInvalid, verdictField, maxPrefix)
	}
	return nil
}
