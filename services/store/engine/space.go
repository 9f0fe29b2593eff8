package engine

import (
	"context"

	"postroom/services/store/rows"
)

// Punch gives the octets [from, to) of a segment back to the file system. No row may need them.
func (db *DB) Punch(number uint32, from, to uint64) error { return db.bodies.Punch(number, from, to) }

// RemoveSegment removes a segment in which nothing lives, its row first. The one that is being written stays.
func (db *DB) RemoveSegment(ctx context.Context, number uint32) error {
	remove := false
	err := db.Update(ctx, func(t *Txn) error {
		var row rows.Segment
		key := SegmentKey(number)
		found, err := t.Load(Segments, key, &row)
		if err != nil || !found || row.Live > 0 || number == db.bodies.Number() {
			return err
		}
		t.Delete(Segments, key)
		remove = true
		return nil
	})
	if err != nil || !remove {
		return err
	}
	return db.bodies.Remove(number)
}

// SegmentNumbers gives the segments that are in the folder, in order.
func (db *DB) SegmentNumbers() ([]uint32, error) { return db.bodies.Numbers() }
