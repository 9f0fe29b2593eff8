// Package engine makes the store's commits durable and keeps its index: bodies in segments, row changes in
// notes, and bbolt as the view of what the notes add up to.
//
//	Commit ──▶ committer: append and sync bodies ─▶ append and sync one note ─▶ apply to the index ─▶ answer
//
// One goroutine commits for all callers. A note that is synced has happened; the index isn't synced, for it
// can always be made again (see recover.go).
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/store/disk"
	"postroom/services/store/notes"
	"postroom/services/store/segment"

	"go.etcd.io/bbolt"
)

// Config says where and how.
type Config struct {
	Dir  string // holds bodies/, notes/, index.db and its checkpoints
	Boot string // this boot's id: an index written in it is taken as it is
	FS   disk.FS
	Log  *slog.Logger
	Now  func() time.Time

	// CheckpointAfter is how many octets of notes are written between two checkpoints; 0: 64 MiB.
	CheckpointAfter int64
	// Point, where set, is called at the named points of a commit (bodies-synced, note-synced,
	// index-applied): faults are put in there.
	Point func(name string)
}

// DB is an open store. Close it.
type DB struct {
	cfg    Config
	bodies *segment.Set
	calls  chan *calls
	done   chan struct{} // closed when the committer has ended
	stop   chan struct{}
	failed chan struct{} // closed when the index can't be made again; err is set before
	err    error
	unlock func() error

	mu    sync.RWMutex // guards the pointer: a rebuilt index is another one
	index *bbolt.DB

	// owned by the committer
	notes     *notes.Log
	sequence  uint64
	sinceCopy int64 // octets of notes since the last checkpoint
	changed   changes
	copying   chan struct{}

	// Damage is what recovery, of this start or of one before, found lost, and whose bodies are to be rescued, in words: see
	// Txn.Rescued. Read it at the start alone.
	Damage []string
	// Repaired is what recovery found damaged and made again without a loss, in words; set once.
	Repaired []string
}

// Call is what a commit is asked for: to append bodies and to make the row changes that Plan asks for.
type Call struct {
	Bodies []segment.Body
	// Plan gets the bodies' locations. It may run within a batch of other calls; its error takes its own changes back. What
	// it leaves unnamed it drops.
	Plan func(*Txn, []segment.Location) error

	err error
}

// calls wait for one commit together.
type calls struct {
	ctx  context.Context
	list []*Call
	done chan struct{}
}

// end answers them.
func (c *calls) end() { close(c.done) }

// refuse answers all of them by err.
func (c *calls) refuse(err error) {
	for _, one := range c.list {
		one.err = err
	}
	c.end()
}

// Bounds of one batch.
const (
	maxBatchCalls  = 1024
	maxBatchOctets = 16 << 20
)

// View calls read with the rows as the last commit left them. It must not wait for anyone: a bbolt
// transaction that stays open stalls writers.
func (db *DB) View(read func(*Reader) error) error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.index.View(func(tx *bbolt.Tx) error { return read(&Reader{tx: tx}) })
}

// Commit makes what c asks for durable, all or nothing, and returns when readers see it. The error is the plan's, or
// contract.ErrUnavailable: not durable; the same call may be made again.
func (db *DB) Commit(ctx context.Context, c *Call) error { return db.CommitAll(ctx, []*Call{c})[0] }

// CommitAll is a Commit for each of several calls, all in one batch. It gives the error of each.
func (db *DB) CommitAll(ctx context.Context, list []*Call) []error {
	c := &calls{ctx: ctx, list: list, done: make(chan struct{})}
	errs := make([]error, len(list))
	all := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	stops := fmt.Errorf("%w: the store stops", contract.ErrUnavailable)
	select {
	case db.calls <- c:
	case <-ctx.Done():
		return all(ctx.Err())
	case <-db.stop:
		return all(stops)
	}
	select {
	case <-c.done:
	case <-db.done:
		select {
		case <-c.done:
		default:
			return all(stops)
		}
	}
	for i, one := range list {
		errs[i] = one.err
	}
	return errs
}

// Update is Commit without bodies.
func (db *DB) Update(ctx context.Context, plan func(*Txn) error) error {
	return db.Commit(ctx, &Call{Plan: func(t *Txn, _ []segment.Location) error { return plan(t) }})
}

// Ping returns when the committer has answered everything that came before.
func (db *DB) Ping(ctx context.Context) error {
	return db.Update(ctx, func(*Txn) error { return nil })
}

// Upload begins a large body.
func (db *DB) Upload() (*segment.Upload, error) { return db.bodies.Upload() }

// Open opens a segment for reading.
func (db *DB) Open(number uint32) (disk.File, error) { return db.bodies.Reader(number) }

// Free gives the octets that may still be taken on the data partition, and its size.
func (db *DB) Free() (free, size uint64, err error) { return db.cfg.FS.Free(db.cfg.Dir) }

// Failed is closed when the index could be neither written nor made again. A note has happened then that no row shows: calls
// under way are not answered any more, and only a start can go on from here. Err says why.
func (db *DB) Failed() <-chan struct{} { return db.failed }

// Err is what Failed is closed for.
func (db *DB) Err() error { return db.err }

// Close ends the committer, makes a checkpoint and closes the index cleanly.
func (db *DB) Close() error {
	close(db.stop)
	<-db.done
	db.notes.Retire()
	db.bodies.Retire()
	if db.err != nil {
		return errors.Join(db.err, db.unlock())
	}
	err := db.checkpoint(db.sequence)
	return errors.Join(err, db.closeIndex(), db.unlock())
}

func (db *DB) path(name string) string { return filepath.Join(db.cfg.Dir, name) }

func (db *DB) point(name string) {
	if db.cfg.Point != nil {
		db.cfg.Point(name)
	}
}
