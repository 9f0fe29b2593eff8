package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

const (
	sweepEvery = time.Hour
	lookEvery  = time.Minute
	keepLedger = 30 * 24 * time.Hour // a row behind DELE_ACKED that was not listed since
	keepBody   = 24 * time.Hour      // a dropped body: no session, relay or export lasts that long
	sweepRows  = 2000                // in one commit, so that nobody waits long for it
)

// sweepLoop lets go of what is over: once at the start, then every hour, until ctx ends. Between, it looks
// whether the disk has room again.
func (s *Store) sweepLoop(ctx context.Context) {
	sweeps := time.NewTicker(sweepEvery)
	defer sweeps.Stop()
	looks := time.NewTicker(lookEvery)
	defer looks.Stop()
	sweep := s.sweep
	for {
		if err := sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("sweep", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-sweeps.C:
			sweep = s.sweep
		case <-looks.C:
			sweep = s.lookForSpace
		}
	}
}

// lookForSpace keeps the condition of a full disk true while no mail comes.
func (s *Store) lookForSpace(ctx context.Context) error {
	if err := s.lookAtDisk(ctx); !errors.Is(err, contract.ErrFull) {
		return err
	}
	return nil
}

// sweep drops what is over its time, and gives the space of what was dropped a day ago back. Without a good
// clock it does nothing.
func (s *Store) sweep(ctx context.Context) error {
	if !s.clock.isGood() {
		return nil
	}
	now := s.now()
	for _, step := range []func(*engine.Txn, time.Time) (int, error){
		s.expireRetrieved, expireLedger, expirePuts, expireCounters,
	} {
		for {
			n := 0
			err := s.db.Update(ctx, func(t *engine.Txn) (err error) {
				n, err = step(t, now)
				return err
			})
			if err != nil {
				return err
			}
			if n < sweepRows {
				break
			}
		}
	}
	if err := errors.Join(s.expireOut(ctx, now), s.expireClients(ctx, now), s.expireCorrespondents(ctx, now)); err != nil {
		return err
	}
	return s.punch(ctx, now)
}

func over(nanoseconds int64, keep time.Duration, now time.Time) bool {
	return now.Sub(time.Unix(0, nanoseconds)) > keep
}

func (s *Store) expireRetrieved(t *engine.Txn, now time.Time) (int, error) {
	keep := s.settings.Load().POP3.KeepRetrieved
	type gone struct {
		id      uint64
		account accountID
	}
	var list, undated []gone
	for key := range t.Scan(engine.Retrieved, nil, nil) {
		var m rows.Message
		if _, err := t.Load(engine.Retrieved, key, &m); err != nil {
			return 0, err
		}
		switch g := (gone{idOfKey(key), accountID(m.Account)}); {
		case m.Left == unknownTime:
			undated = append(undated, g)
		case over(m.Left, keep, now):
			list = append(list, g)
		}
		if len(list)+len(undated) == sweepRows {
			break
		}
	}
	for _, g := range undated {
		var m rows.Message
		key := messageKey(engine.Retrieved, g.account, g.id)
		if _, err := t.Load(engine.Retrieved, key, &m); err != nil {
			return 0, err
		}
		m.Left = now.UnixNano()
		t.Save(engine.Retrieved, key, &m)
	}
	for _, g := range list {
		m, err := leave(t, engine.Retrieved, g.account, g.id)
		if err != nil {
			return 0, err
		}
		t.Drop(m.Body)
	}
	return len(list) + len(undated), nil
}

func expireLedger(t *engine.Txn, now time.Time) (int, error) {
	dated := 0
	n, err := deleteRows(t, engine.Ledger, func(key []byte) (bool, error) {
		var row rows.Ledger
		if _, err := t.Load(engine.Ledger, key, &row); err != nil || contract.LedgerState(row.State) != contract.LedgerState_DELE_ACKED {
			return false, err
		}
		if row.Changed != unknownTime {
			return over(row.Changed, keepLedger, now), nil
		}
		if dated < sweepRows {
			dated++
			row.Changed = now.UnixNano()
			t.Save(engine.Ledger, key, &row)
		}
		return false, nil
	})
	return max(n, dated), err
}

func expirePuts(t *engine.Txn, now time.Time) (int, error) {
	return deleteRows(t, engine.Puts, func(key []byte) (bool, error) {
		var put rows.Put
		_, err := t.Load(engine.Puts, key, &put)
		return over(put.Time, contract.KeepPuts, now), err
	})
}

// deleteRows deletes up to sweepRows rows of a bucket.
func deleteRows(t *engine.Txn, bucket engine.Bucket, isOver func(key []byte) (bool, error)) (int, error) {
	var keys [][]byte
	for key := range t.Scan(bucket, nil, nil) {
		yes, err := isOver(key)
		if err != nil {
			return 0, err
		}
		if yes {
			keys = append(keys, bytes.Clone(key))
		}
		if len(keys) == sweepRows {
			break
		}
	}
	for _, key := range keys {
		t.Delete(bucket, key)
	}
	return len(keys), nil
}

// hole is a run of records that nobody needs.
type hole struct {
	segment  uint32
	from, to uint64
	keys     [][]byte // rows of Dropped
}

// punch gives the space of bodies that were dropped a day ago back, neighbours as one run, and removes segments
// with nothing left. Their rows of Dropped go afterwards: a hole may be punched twice.
func (s *Store) punch(ctx context.Context, now time.Time) error {
	for {
		holes, more, err := s.findHoles(now)
		if err != nil {
			return err
		}
		for _, h := range holes {
			if err := s.db.Punch(h.segment, h.from, h.to); err != nil {
				return fmt.Errorf("punch segment %d: %w", h.segment, err)
			}
		}
		empty, err := s.forgetHoles(ctx, holes)
		if err != nil {
			return err
		}
		for _, number := range empty {
			if err := s.db.RemoveSegment(ctx, number); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func (s *Store) findHoles(now time.Time) (holes []hole, more bool, err error) {
	n := 0
	err = s.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Dropped, nil, nil) {
			if !over(int64(binary.BigEndian.Uint64(key)), keepBody, now) {
				return nil // in order of time
			}
			if n++; n > sweepRows {
				more = true
				return nil
			}
			var b rows.Body
			if _, err := r.Load(engine.Dropped, key, &b); err != nil {
				return err
			}
			from, to := b.Offset-segment.HeaderSize, b.Offset+b.Length
			if last := len(holes) - 1; last >= 0 && holes[last].segment == b.Segment && holes[last].to == from {
				holes[last].to = to
				holes[last].keys = append(holes[last].keys, bytes.Clone(key))
				continue
			}
			holes = append(holes, hole{b.Segment, from, to, [][]byte{bytes.Clone(key)}})
		}
		return nil
	})
	return holes, more, err
}

// forgetHoles takes punched bodies off the index, and gives the segments that hold nothing any more.
func (s *Store) forgetHoles(ctx context.Context, holes []hole) (empty []uint32, err error) {
	if len(holes) == 0 {
		return nil, nil
	}
	err = s.db.Update(ctx, func(t *engine.Txn) error {
		empty = nil
		for _, h := range holes {
			for _, key := range h.keys {
				t.Delete(engine.Dropped, key)
			}
			var row rows.Segment
			key := engine.SegmentKey(h.segment)
			found, err := t.Load(engine.Segments, key, &row)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			row.Live -= min(row.Live, h.to-h.from)
			t.Save(engine.Segments, key, &row)
			if row.Live == 0 {
				empty = append(empty, h.segment)
			}
		}
		return nil
	})
	return empty, err
}
