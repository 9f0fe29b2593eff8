package store

import (
	"bytes"
	"context"
	"time"

	"postroom/services/store/engine"
)

// lookRows is how many rows a sweep looks at in one transaction.
const lookRows = 50_000

// expireMany deletes rows of a bucket that may have very many. They are looked for beside the commits, and only what is
// over, as it stands then, is deleted in one; gone, where it is given, is called for each.
func (s *Store) expireMany(ctx context.Context, bucket engine.Bucket, isOver func(key, value []byte) bool, gone func(t *engine.Txn, key []byte)) error {
	var after []byte
	for more := true; more; {
		var keys [][]byte
		err := s.db.View(func(r *engine.Reader) error {
			n, last := 0, []byte(nil)
			more = false
			for key, value := range r.Scan(bucket, nil, after) {
				if n++; n > lookRows || len(keys) == sweepRows {
					more = true
					break
				}
				if last = key; isOver(key, value) {
					keys = append(keys, bytes.Clone(key))
				}
			}
			after = bytes.Clone(last)
			return nil
		})
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			continue
		}
		err = s.db.Update(ctx, func(t *engine.Txn) error {
			for _, key := range keys {
				if !isOver(key, t.Get(bucket, key)) {
					continue // changed meanwhile
				}
				t.Delete(bucket, key)
				if gone != nil {
					gone(t, key)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) expireClients(ctx context.Context, now time.Time) error {
	return s.expireMany(ctx, engine.Clients, func(_, value []byte) bool { return value != nil && !polledLately(value, now) }, nil)
}

func (s *Store) expireCorrespondents(ctx context.Context, now time.Time) error {
	return s.expireMany(ctx, engine.Correspondents,
		func(key, value []byte) bool { return correspondentIsOver(key, value, now) },
		func(t *engine.Txn, key []byte) {
			id := accountID(key)
			if n := correspondents(&t.Reader, id); n > 1 {
				setCorrespondents(t, id, n-1)
			} else {
				t.Delete(engine.Correspondents, id[:])
			}
		})
}
