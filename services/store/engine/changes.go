package engine

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// changes are the rows that a commit has changed so far, each once however often it changes: the mails of a batch
// share rows (totals, the segment), and only what such a row ends with goes to the note and to the index.
type changes struct {
	rows []changedRow
	at   map[string]int // bucket and key → place in rows
	name []byte         // what is looked for
	wet  int            // rows at most that the index's transaction doesn't have yet
	note []byte
}

type changedRow struct {
	name   string // bucket and key
	before []byte // as the last commit left it; nil: there was none
	value  []byte // nil: there is none
	dry    bool   // the index's transaction has it
}

// bounds of what is kept for the next commit, so that one that was large holds no memory for good
const (
	keepRows = 1 << 14
	keepNote = 4 << 20
)

// clear makes c ready for another commit.
func (c *changes) clear() {
	if c.at == nil || len(c.rows) > keepRows {
		c.at, c.rows = make(map[string]int), nil
	}
	if cap(c.note) > keepNote {
		c.note = nil
	}
	clear(c.at)
	clear(c.rows)
	c.rows, c.note, c.wet = c.rows[:0], c.note[:0], 0
}

// find gives a row's place, -1 while it isn't changed.
func (c *changes) find(b Bucket, key []byte) int {
	c.name = append(append(c.name[:0], byte(b)), key...)
	if i, ok := c.at[string(c.name)]; ok {
		return i
	}
	return -1
}

// add takes a row in, as the last commit left it.
func (c *changes) add(b Bucket, key, value []byte) int {
	name := string(append([]byte{byte(b)}, key...))
	c.rows = append(c.rows, changedRow{name: name, before: value, value: value, dry: true})
	c.at[name] = len(c.rows) - 1
	return len(c.rows) - 1
}

func (c *changes) set(i int, value []byte) {
	c.rows[i].value, c.rows[i].dry = value, false
	c.wet++
}

func (r *changedRow) changed() bool {
	return (r.before == nil) != (r.value == nil) || !bytes.Equal(r.before, r.value)
}

func (c *changes) change(r *changedRow) change {
	c.name = append(c.name[:0], r.name[1:]...)
	return change{bucket: Bucket(r.name[0]), remove: r.value == nil, key: c.name, value: r.value}
}

// apply has the index's transaction hold what was changed.
func (c *changes) apply(tx *bbolt.Tx) error {
	if c.wet == 0 {
		return nil
	}
	for i := range c.rows {
		r := &c.rows[i]
		if r.dry {
			continue
		}
		change := c.change(r)
		if err := applyChange(tx, change); err != nil {
			return fmt.Errorf("change row %x of %v: %w", change.key, change.bucket, err)
		}
		r.dry = true
	}
	c.wet = 0
	return nil
}

// encode gives the note of what was changed; empty: nothing was. It is good until the next clear.
func (c *changes) encode() []byte {
	c.note = c.note[:0]
	for i := range c.rows {
		if r := &c.rows[i]; r.changed() {
			c.note = appendChange(c.note, c.change(r))
		}
	}
	return c.note
}

// any tells whether anything was changed.
func (c *changes) any() bool {
	for i := range c.rows {
		if c.rows[i].changed() {
			return true
		}
	}
	return false
}
