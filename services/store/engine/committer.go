package engine

import (
	"errors"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/notes"
	"postroom/services/store/rows"
	"postroom/services/store/segment"

	"go.etcd.io/bbolt"
)

// run is the committer.
func (db *DB) run() {
	defer close(db.done)
	for {
		select {
		case c := <-db.calls:
			db.commit(db.gather(c))
			if db.err != nil {
				close(db.failed)
				<-db.stop
				db.finishCopy()
				return
			}
			db.copyIfDue()
		case <-db.stop:
			db.finishCopy()
			return
		}
	}
}

func (db *DB) finishCopy() {
	if db.copying != nil {
		<-db.copying
	}
}

// gather takes what waits, up to a batch's bounds.
func (db *DB) gather(first *calls) *batch {
	b := &batch{}
	b.take(first)
	for len(b.calls) < maxBatchCalls && b.octets < maxBatchOctets {
		select {
		case c := <-db.calls:
			b.take(c)
		default:
			return b
		}
	}
	return b
}

// batch is what one commit is made of.
type batch struct {
	waiting []*calls
	calls   []*Call // of all that wait
	octets  int     // of bodies
}

func (b *batch) take(c *calls) {
	if err := c.ctx.Err(); err != nil {
		c.refuse(err)
		return
	}
	b.waiting = append(b.waiting, c)
	b.calls = append(b.calls, c.list...)
	for _, one := range c.list {
		for _, body := range one.Bodies {
			b.octets += len(body.Octets)
		}
	}
}

func (b *batch) refuse(err error) {
	err = fmt.Errorf("%w: %w", contract.ErrUnavailable, err)
	for _, c := range b.waiting {
		c.refuse(err)
	}
}

// commit makes a batch durable and answers it.
func (db *DB) commit(b *batch) {
	locations, err := db.appendBodies(b.calls)
	if err != nil {
		b.refuse(err)
		return
	}
	tx, err := db.index.Begin(true)
	if err != nil {
		b.refuse(err)
		return
	}
	db.changed.clear()
	t := &Txn{Reader: Reader{tx: tx, changed: &db.changed}, sequence: db.sequence + 1, now: db.cfg.Now()}
	t.added(locations) // whatever the calls say: they stand in a segment
	if t.err != nil {
		b.refuse(errors.Join(t.err, tx.Rollback()))
		return
	}
	for _, c := range b.calls {
		n := len(c.Bodies)
		c.err = t.run(c, locations[:n:n])
		locations = locations[n:]
	}
	if t.err != nil {
		b.refuse(errors.Join(t.err, tx.Rollback()))
		return
	}
	if !db.changed.any() {
		err = tx.Rollback()
	} else {
		err = db.writeNote(t, tx)
	}
	if db.err != nil {
		return
	}
	if err != nil {
		b.refuse(err)
		return
	}
	for _, f := range t.after {
		f()
	}
	for _, c := range b.waiting {
		c.end()
	}
}

// run plans one call within the batch.
func (t *Txn) run(c *Call, locations []segment.Location) error {
	m := t.mark()
	err := c.Plan(t, locations)
	if err == nil {
		err = t.err
	}
	if err == nil {
		return nil
	}
	t.reset(m)
	for _, l := range locations {
		t.Drop(BodyOf(l))
	}
	return err
}

// appendBodies gives the locations of all bodies of the batch, in its order.
func (db *DB) appendBodies(batch []*Call) ([]segment.Location, error) {
	var all []segment.Body
	for _, c := range batch {
		all = append(all, c.Bodies...)
	}
	if len(all) == 0 {
		return nil, nil
	}
	locations, err := db.bodies.Append(all)
	if err != nil {
		return nil, err
	}
	db.point("bodies-synced")
	return locations, nil
}

// writeNote makes the batch's row changes happen: the note first, then the index.
func (db *DB) writeNote(t *Txn, tx *bbolt.Tx) error {
	db.keepMeta(t)
	if t.err != nil {
		return errors.Join(t.err, tx.Rollback())
	}
	note := db.changed.encode()
	if len(note) > notes.MaxPayload {
		return errors.Join(fmt.Errorf("note of %d octets", len(note)), tx.Rollback())
	}
	if err := db.changed.apply(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := db.notes.Append(t.sequence, note); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	db.sequence = t.sequence
	db.sinceCopy += int64(len(note))
	db.point("note-synced")
	if err := tx.Commit(); err != nil {
		db.cfg.Log.Error("index doesn't take a commit: made again from checkpoint and notes", "err", err)
		if err := db.rebuild(); err != nil {
			db.err = fmt.Errorf("index can't be made again: %w", err)
			return nil
		}
	}
	db.point("index-applied")
	return nil
}

// keepMeta writes what a start needs to know. The sequence is the index's own and stands in no note.
func (db *DB) keepMeta(t *Txn) {
	var s rows.Segment
	key := SegmentKey(0) // a row of the next segment's number, in End
	if _, err := t.Load(Segments, key, &s); err != nil {
		t.fail(err)
		return
	}
	if next := uint64(db.bodies.Next()); next != s.End {
		s.End = next
		t.Save(Segments, key, &s)
	}
	if err := putSequence(t.tx, t.sequence); err != nil {
		t.fail(err)
	}
}
