package engine

import (
	"encoding/binary"
	"time"

	"postroom/services/store/rows"
)

// Share says that one more row names a body that a row names already.
func (t *Txn) Share(b *rows.Body) {
	s := rows.Shared{Rows: 1}
	key := SharedKey(b)
	if _, err := t.Load(Shared, key, &s); err != nil {
		t.fail(err)
		return
	}
	s.Rows++
	t.Save(Shared, key, &s)
}

// Drop says that a row that named the body goes, in the same commit. When it is the last, the body is punched out a day
// later.
func (t *Txn) Drop(b *rows.Body) {
	var s rows.Shared
	key := SharedKey(b)
	shared, err := t.Load(Shared, key, &s)
	switch {
	case err != nil:
		t.fail(err)
	case !shared:
		t.Save(Dropped, droppedKey(t.now, b), b)
	case s.Rows > 2:
		s.Rows--
		t.Save(Shared, key, &s)
	default:
		t.Delete(Shared, key)
	}
}

// SharedKey is a body's key in Shared.
func SharedKey(b *rows.Body) []byte {
	return binary.BigEndian.AppendUint64(SegmentKey(b.Segment), b.Offset)
}

func droppedKey(now time.Time, b *rows.Body) []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(now.UnixNano()))
	return append(key, SharedKey(b)...)
}
