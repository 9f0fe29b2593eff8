package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"time"

	"postroom/services/store/rows"
	"postroom/services/store/segment"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"
)

// Reader reads rows as one commit left them. What it gives is good until its View or Commit ends, and must
// not be changed.
type Reader struct {
	tx      *bbolt.Tx
	changed *changes // of the commit that reads; nil: none
	err     error    // the first error of a change; it fails the call
}

// Get gives a row's value, nil for none.
func (r *Reader) Get(b Bucket, key []byte) []byte {
	if r.changed != nil {
		if i := r.changed.find(b, key); i >= 0 {
			return r.changed.rows[i].value
		}
	}
	return r.tx.Bucket(b.key()).Get(key)
}

// Load reads a row into m, and tells whether there is one.
func (r *Reader) Load(b Bucket, key []byte, m proto.Message) (bool, error) {
	value := r.Get(b, key)
	if value == nil {
		return false, nil
	}
	if err := proto.Unmarshal(value, m); err != nil {
		return false, fmt.Errorf("row %x of %v: %w", key, b, err)
	}
	return true, nil
}

// Scan gives the rows whose keys begin with prefix and come behind after (nil: all), in order of their keys.
func (r *Reader) Scan(b Bucket, prefix, after []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if r.changed != nil {
			if err := r.changed.apply(r.tx); err != nil {
				r.fail(err)
				return
			}
		}
		c := r.tx.Bucket(b.key()).Cursor()
		from := prefix
		if bytes.Compare(after, from) > 0 {
			from = after
		}
		key, value := c.Seek(from)
		if after != nil && bytes.Equal(key, after) {
			key, value = c.Next()
		}
		for key != nil && bytes.HasPrefix(key, prefix) && yield(key, value) {
			key, value = c.Next()
		}
	}
}

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Txn reads and changes rows within a commit; a change is seen by what comes behind it in the same commit.
type Txn struct {
	Reader
	sequence uint64
	ids      uint64
	now      time.Time
	undo     []undo // newest last
	after    []func()
}

// undo is what a row held before a change.
type undo struct {
	row   int
	value []byte
}

// Now is the commit's time.
func (t *Txn) Now() time.Time { return t.now }

// After has f run when the commit is durable and seen by readers, before the caller is answered.
func (t *Txn) After(f func()) { t.after = append(t.after, f) }

// NewID gives a number that no other row was ever given, and that grows with time.
func (t *Txn) NewID() uint64 {
	t.ids++
	return t.sequence<<20 | t.ids
}

// Put sets a row. The value must not be changed from then on.
func (t *Txn) Put(b Bucket, key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	t.change(b, key, value)
}

// Save sets a row to m.
func (t *Txn) Save(b Bucket, key []byte, m proto.Message) {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.fail(fmt.Errorf("row %x of %v: %w", key, b, err))
		return
	}
	t.Put(b, key, value)
}

// Delete removes a row, if it is there.
func (t *Txn) Delete(b Bucket, key []byte) { t.change(b, key, nil) }

func (t *Txn) change(b Bucket, key, value []byte) {
	if len(key) == 0 || len(key) > bbolt.MaxKeySize || len(value) > bbolt.MaxValueSize {
		t.fail(fmt.Errorf("change row %x of %v: key of %d octets, value of %d", key[:min(len(key), 64)], b, len(key), len(value)))
		return
	}
	i := t.changed.find(b, key)
	if i < 0 {
		i = t.changed.add(b, key, t.tx.Bucket(b.key()).Get(key))
	}
	before := t.changed.rows[i].value
	if (before == nil) == (value == nil) && bytes.Equal(before, value) {
		return
	}
	t.undo = append(t.undo, undo{i, before})
	t.changed.set(i, value)
}

// mark and reset take back what a call that fails has changed.
type mark struct{ undo, after int }

func (t *Txn) mark() mark { return mark{len(t.undo), len(t.after)} }

func (t *Txn) reset(m mark) {
	for _, u := range slices.Backward(t.undo[m.undo:]) {
		t.changed.set(u.row, u.value)
	}
	t.undo, t.after, t.err = t.undo[:m.undo], t.after[:m.after], nil
}

func applyChange(tx *bbolt.Tx, c change) error {
	bucket := tx.Bucket(c.bucket.key())
	if c.remove {
		return bucket.Delete(c.key)
	}
	return bucket.Put(c.key, c.value)
}

// SegmentKey is a segment's key.
func SegmentKey(number uint32) []byte { return binary.BigEndian.AppendUint32(nil, number) }

// BodyOf gives the row form of a location.
func BodyOf(l segment.Location) *rows.Body {
	return &rows.Body{
		Segment: l.Segment, Offset: l.Offset, Length: l.Length,
		Crc32C: l.CRC32C, Sha256: l.SHA256[:], OpenEnd: l.OpenEnd,
	}
}

// added counts bodies that were appended.
func (t *Txn) added(locations []segment.Location) {
	for len(locations) > 0 {
		var s rows.Segment
		number := locations[0].Segment
		key := SegmentKey(number)
		if _, err := t.Load(Segments, key, &s); err != nil {
			t.fail(err)
			return
		}
		for len(locations) > 0 && locations[0].Segment == number {
			l := locations[0]
			s.End = max(s.End, l.Offset+l.Length)
			s.Live += segment.HeaderSize + l.Length
			locations = locations[1:]
		}
		t.Save(Segments, key, &s)
	}
}

// Count counts a body that stood in a segment before this commit: the next start cuts off what isn't counted.
func (t *Txn) Count(l segment.Location) { t.added([]segment.Location{l}) }

// Adopt counts the body that an upload has made, a segment of its own. False: a commit before this one has done so, and the
// body is what that one made of it.
func (t *Txn) Adopt(l segment.Location) bool {
	if t.Get(Segments, SegmentKey(l.Segment)) != nil {
		return false
	}
	t.Count(l)
	return true
}
