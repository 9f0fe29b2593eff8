package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"postroom/services/store/disk"
	"postroom/services/store/notes"
	"postroom/services/store/rows"
	"postroom/services/store/segment"

	"go.etcd.io/bbolt"
)

const (
	indexName = "index.db"
	stateName = "index.state"
	bodiesDir = "bodies"
	notesDir  = "notes"
)

// Open opens the store in cfg.Dir, made when it isn't there, by the one rule of recovery: take the index if
// it was closed cleanly or written in this boot, else the newest checkpoint; apply the notes behind it. What a
// cut left behind and nobody was answered for is cut off. ErrLocked: another process has it open;
// notes.ErrVersion: a newer program wrote there.
func Open(cfg Config) (*DB, error) {
	if cfg.FS == nil {
		cfg.FS = disk.OS{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.CheckpointAfter == 0 {
		cfg.CheckpointAfter = 64 << 20
	}
	db := &DB{cfg: cfg, calls: make(chan *calls, maxBatchCalls), done: make(chan struct{}), stop: make(chan struct{})}
	// The folder's group is those who read bodies by (segment, offset, length); all else is the store's alone.
	if err := errors.Join(makeDir(cfg.Dir, 0o710), makeDir(db.path(bodiesDir), 0o750), makeDir(db.path(notesDir), 0o700)); err != nil {
		return nil, err
	}
	unlock, err := lock(db.path("lock"))
	if err != nil {
		return nil, err
	}
	db.unlock = unlock
	if err := db.recover(); err != nil {
		return nil, errors.Join(err, unlock())
	}
	go db.run()
	return db, nil
}

func (db *DB) recover() error {
	trusted, err := db.trusted()
	if err != nil {
		return err
	}
	if !trusted {
		if err := db.restore(); err != nil {
			return err
		}
	}
	// From here on the index is this boot's, and not closed cleanly.
	if err := db.writeState(false); err != nil {
		return err
	}
	if err := db.openIndex(); err != nil {
		return err
	}
	if err := db.openRest(); err != nil {
		return errors.Join(err, db.index.Close())
	}
	return nil
}

// openIndex opens the index and applies the notes behind it. An index that can't be opened is put aside for
// the newest checkpoint.
func (db *DB) openIndex() (err error) {
	db.index, err = openBolt(db.path(indexName))
	if err != nil {
		db.cfg.Log.Warn("index can't be opened: made again from checkpoint and notes", "err", err)
		if err := db.restore(); err != nil {
			return err
		}
		if db.index, err = openBolt(db.path(indexName)); err != nil {
			return fmt.Errorf("open index: %w", err)
		}
	}
	if err := db.replay(); err != nil {
		return errors.Join(err, db.index.Close())
	}
	return nil
}

// openBolt opens a bbolt file, with the buckets made. A file that isn't one may make bbolt panic.
func openBolt(name string) (index *bbolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("open %s: %v", filepath.Base(name), p)
		}
	}()
	index, err = bbolt.Open(name, 0o600, &bbolt.Options{
		NoSync: true, NoGrowSync: true, NoFreelistSync: true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: 256 << 20,
		Timeout:         10 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	err = index.Update(func(tx *bbolt.Tx) error {
		for b := range bucketNames {
			if _, err := tx.CreateBucketIfNotExists(b.key()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, index.Close())
	}
	return index, nil
}

// replayBatch is how many notes are applied in one bbolt transaction.
const replayBatch = 256

func (db *DB) replay() error {
	tx, err := db.index.Begin(true)
	if err != nil {
		return err
	}
	db.sequence = sequenceOf(tx)
	inBatch := 0
	last, damage, err := notes.Replay(db.cfg.FS, db.path(notesDir), db.sequence, func(_ uint64, payload []byte) error {
		if inBatch++; inBatch > replayBatch {
			if err := tx.Commit(); err != nil {
				return err
			}
			if tx, err = db.index.Begin(true); err != nil {
				return err
			}
			inBatch = 1
		}
		db.sinceCopy += int64(len(payload))
		return decodeChanges(payload, func(c change) error { return applyChange(tx, c) })
	})
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	for _, d := range damage {
		db.Damage = append(db.Damage, d.String())
	}
	db.sequence = last
	if err := putSequence(tx, last); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// openRest opens bodies and notes behind what the index knows.
func (db *DB) openRest() (err error) {
	if db.notes, err = notes.New(db.cfg.FS, db.path(notesDir)); err != nil {
		return err
	}
	ends := make(map[uint32]uint64)
	next := uint32(1)
	err = db.View(func(r *Reader) error {
		for key := range r.Scan(Segments, nil, nil) {
			var s rows.Segment
			if _, err := r.Load(Segments, key, &s); err != nil {
				return err
			}
			if number := binary.BigEndian.Uint32(key); number == 0 {
				next = uint32(s.End)
			} else {
				ends[number] = s.End
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	db.bodies, err = segment.Open(db.cfg.FS, db.path(bodiesDir), ends, next, len(db.Damage) > 0)
	return err
}

// rebuild makes the index again while the committer holds everyone.
func (db *DB) rebuild() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	closed := db.index.Close()
	if err := db.restore(); err != nil {
		return errors.Join(err, closed)
	}
	db.notes.Retire() // the next note begins a file behind what is replayed here
	return db.openIndex()
}

// restore puts the newest checkpoint that can be opened in the index's place; none: an empty index, for the
// notes then hold everything.
func (db *DB) restore() error {
	if err := os.Remove(db.path(indexName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put index aside: %w", err)
	}
	copies, err := db.checkpoints()
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(copies) {
		if err := copyFile(db.path(name), db.path(indexName)); err != nil {
			return fmt.Errorf("restore index: %w", err)
		}
		index, err := openBolt(db.path(indexName))
		if err == nil {
			return index.Close()
		}
		db.cfg.Log.Warn("checkpoint can't be opened", "checkpoint", name, "err", err)
		if err := os.Remove(db.path(indexName)); err != nil {
			return err
		}
	}
	return nil
}

var sequenceKey = []byte("sequence")

func sequenceOf(tx *bbolt.Tx) uint64 {
	if b := tx.Bucket(Meta.key()).Get(sequenceKey); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func putSequence(tx *bbolt.Tx, sequence uint64) error {
	return tx.Bucket(Meta.key()).Put(sequenceKey, binary.BigEndian.AppendUint64(nil, sequence))
}

func makeDir(name string, mode fs.FileMode) error {
	if err := os.MkdirAll(name, mode); err != nil {
		return fmt.Errorf("make folder of the store: %w", err)
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
