package store

import (
	"context"
	"fmt"
	"slices"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// messagesPerCall bounds an answer of ListMessages.
const messagesPerCall = 1000

// ListMessages gives what is held for an account: a call gives messages of one queue, and where to go on.
func (a admin) ListMessages(_ context.Context, q *contract.ListMessagesRequest) (*contract.ListMessagesResponse, error) {
	at := 0
	if q.Queue != "" {
		at = slices.IndexFunc(queues, func(k struct {
			bucket engine.Bucket
			name   string
		}) bool {
			return k.name == q.Queue
		})
		if at < 0 {
			return nil, fmt.Errorf("%w: no queue %q", contract.ErrInvalid, q.Queue)
		}
	}
	queue := queues[at]
	answer := &contract.ListMessagesResponse{Queue: queue.name, After: q.After}
	err := a.db.View(func(r *engine.Reader) error {
		acc, err := accountByName(r, q.Name)
		if err != nil {
			return err
		}
		prefix := acc.id[:]
		if queue.bucket == engine.In {
			prefix = nil
		}
		var after []byte
		if q.After != 0 {
			after = messageKey(queue.bucket, acc.id, q.After)
		}
		for key := range r.Scan(queue.bucket, prefix, after) {
			if len(answer.Messages) == messagesPerCall {
				answer.More = true
				return nil
			}
			var m rows.Message
			if _, err := r.Load(queue.bucket, key, &m); err != nil {
				return err
			}
			answer.After = idOfKey(key)
			if accountID(m.Account) == acc.id {
				answer.Messages = append(answer.Messages, &contract.HeldMessage{
					Id: idOfKey(key), Queue: queue.name, Octets: uint64(len(m.Prefix)) + m.Body.Length, Received: timeOf(m.Received),
				})
			}
		}
		if at+1 < len(queues) {
			answer.Queue, answer.After, answer.More = queues[at+1].name, 0, true
		}
		return nil
	})
	return answer, err
}

// ReadMessage gives octets of a message from an offset on: its prefix, then its body.
func (a admin) ReadMessage(_ context.Context, q *contract.ReadMessageRequest) (*contract.ReadMessageResponse, error) {
	var m rows.Message
	err := a.db.View(func(r *engine.Reader) error {
		acc, err := accountByName(r, q.Name)
		if err != nil {
			return err
		}
		for _, queue := range queues {
			if queue.name != q.Queue {
				continue
			}
			found, err := r.Load(queue.bucket, messageKey(queue.bucket, acc.id, q.Id), &m)
			if err != nil || found && accountID(m.Account) == acc.id {
				return err
			}
		}
		return fmt.Errorf("%w: message %d in queue %q of %s", contract.ErrNotFound, q.Id, q.Queue, q.Name)
	})
	if err != nil {
		return nil, err
	}
	prefix := uint64(len(m.Prefix))
	if q.Offset < prefix {
		return &contract.ReadMessageResponse{Octets: m.Prefix[q.Offset:]}, nil
	}
	offset := q.Offset - prefix
	if offset >= m.Body.Length {
		return &contract.ReadMessageResponse{}, nil
	}
	f, err := a.db.Open(m.Body.Segment)
	if err != nil {
		return nil, fmt.Errorf("%w: message %d: %w", contract.ErrDamaged, q.Id, err)
	}
	defer f.Close()
	if offset == 0 { // the whole body is checked before any of it is given
		if err := a.readable(m.Body); err != nil {
			return nil, fmt.Errorf("%w: message %d: %w", contract.ErrDamaged, q.Id, err)
		}
	}
	octets := make([]byte, min(m.Body.Length-offset, contract.MaxPut))
	if _, err := f.ReadAt(octets, int64(m.Body.Offset+offset)); err != nil {
		return nil, fmt.Errorf("%w: read message %d: %w", contract.ErrDamaged, q.Id, err)
	}
	return &contract.ReadMessageResponse{Octets: octets}, nil
}
