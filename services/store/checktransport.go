package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// checkTransport compares the Transport Queue with its records, and its mails with their recipients' rows.
func (a admin) checkTransport(after []byte) (*contract.CheckResponse, error) {
	c := checker{store: a.Store, answer: &contract.CheckResponse{}}
	defer c.close()
	var list []*queued
	done := true
	err := a.db.View(func(r *engine.Reader) error {
		octets := uint64(0)
		for key := range r.Scan(engine.Transport, nil, after) {
			if octets >= checkOctets || len(list) == messagesPerCall {
				done = false
				return nil
			}
			m, err := findQueued(r, idOfKey(key))
			if errors.Is(err, contract.ErrDamaged) {
				c.answer.Problems = append(c.answer.Problems, err.Error())
			} else if err != nil {
				return err
			}
			octets += m.Body.Length
			list = append(list, m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		c.checkBody(fmt.Sprintf("queue %s, message %d", contract.QueueTransport, m.id), m.Body, nil)
	}
	if !done {
		c.answer.Cursor = idKey(list[len(list)-1].id)
	}
	return c.answer, nil
}

// checkShared compares the counts of bodies that several rows name with those rows, all in one look: they change
// together.
func (a admin) checkShared([]byte) (*contract.CheckResponse, error) {
	answer := &contract.CheckResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		named := make(map[string]uint32)
		for key := range r.Scan(engine.Shared, nil, nil) {
			named[string(key)] = 0
		}
		if len(named) == 0 {
			return nil
		}
		err := eachBody(r, func(_ engine.Bucket, b *rows.Body) {
			if n, shared := named[string(engine.SharedKey(b))]; shared {
				named[string(engine.SharedKey(b))] = n + 1
			}
		})
		if err != nil {
			return err
		}
		for key := range r.Scan(engine.Shared, nil, nil) {
			var s rows.Shared
			if _, err := r.Load(engine.Shared, key, &s); err != nil {
				return err
			}
			if n := named[string(key)]; n != s.Rows {
				answer.Problems = append(answer.Problems, fmt.Sprintf("body in segment %d at %d: %d rows name it, and %d are counted",
					binary.BigEndian.Uint32(key), binary.BigEndian.Uint64(key[4:]), n, s.Rows))
			}
		}
		return nil
	})
	return answer, err
}

// eachBody calls do for the body of each row that needs one, and the row's bucket.
func eachBody(r *engine.Reader, do func(engine.Bucket, *rows.Body)) error {
	for _, q := range queues {
		for key := range r.Scan(q.bucket, nil, nil) {
			var m rows.Message
			if _, err := r.Load(q.bucket, key, &m); err != nil {
				return err
			}
			do(q.bucket, m.Body)
		}
	}
	for key := range r.Scan(engine.Transport, nil, nil) {
		var m rows.Transport
		if _, err := r.Load(engine.Transport, key, &m); err != nil {
			return err
		}
		do(engine.Transport, m.Body)
	}
	return nil
}
