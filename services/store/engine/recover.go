package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	db := &DB{cfg: cfg, calls: make(chan *calls, maxBatchCalls), done: make(chan struct{}), stop: make(chan struct{}), failed: make(chan struct{})}
	// The folder's group is those who read bodies by (segment, offset, length); all else is the store's alone.
	if err := errors.Join(makeDir(cfg.Dir, 0o710), makeDir(db.path(bodiesDir), 0o750), makeDir(db.path(notesDir), 0o700)); err != nil {
		return nil, err
	}
	// The folder's own name is durable only so, whoever made it, and however an earlier start ended. (Those in it become
	// durable with the state.) Where the folder above is not the store's to open, who gave it this one has seen to it.
	if err := cfg.FS.SyncDir(filepath.Dir(cfg.Dir)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("sync folder of %s: %w", cfg.Dir, err)
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
	if err := db.removeParts(); err != nil {
		return err
	}
	trusted, err := db.trusted()
	if err != nil {
		return err
	}
	if !trusted {
		if err := db.restore(); err != nil {
			return err
		}
	}
	// From here on the index is not as it was closed; nor is it this boot's before it's known to be good: a start that
	// dies of it is not repeated with it.
	if err := db.writeState(opening); err != nil {
		return err
	}
	if err := db.openIndex(); err != nil {
		return err
	}
	err = db.openRest()
	if err == nil {
		err = db.writeState(db.cfg.Boot)
	}
	if err != nil {
		return errors.Join(err, db.index.Close())
	}
	return nil
}

// removeParts removes files that were being made when the store ended.
func (db *DB) removeParts() error {
	entries, err := db.cfg.FS.ReadDir(db.cfg.Dir)
	if err != nil {
		return fmt.Errorf("read folder of the store: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), partEnd) {
			if err := db.cfg.FS.Remove(db.path(e.Name())); err != nil {
				return fmt.Errorf("remove what was never finished: %w", err)
			}
		}
	}
	return nil
}

// openIndex opens the index and applies the notes behind it. An index that can't be opened is put aside for
// the newest checkpoint.
func (db *DB) openIndex() error {
	index, err := openBolt(db.path(indexName))
	if err != nil {
		db.cfg.Log.Warn("index can't be opened: made again from checkpoint and notes", "err", err)
		db.Repaired = append(db.Repaired, "the index can't be opened: made again from checkpoint and notes")
		if err := db.restore(); err != nil {
			return err
		}
		if index, err = openBolt(db.path(indexName)); err != nil {
			return fmt.Errorf("open index: %w", err)
		}
	}
	db.index = index // until here readers have the old one, closed, and its errors
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
	if err := checkLength(name); err != nil {
		return nil, err
	}
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

// checkLength looks whether all pages of a bbolt file are there, before one is touched: a page behind the file's end ends
// the process, which a start would do over and over. A file that isn't there, or empty, will be made.
func checkLength(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	index, err := bbolt.Open(name, 0o600, &bbolt.Options{ReadOnly: true, Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	err = index.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("open %s: %d octets of %d are there", filepath.Base(name), info.Size(), tx.Size())
		}
		return nil
	})
	return errors.Join(err, index.Close())
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
	if db.Damage, err = oweRescue(tx, damage); err != nil {
		return errors.Join(err, tx.Rollback())
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

// rebuild makes the index again while the committer holds everyone. Where notes turn out to be damaged, rows that were seen
// are missing: that index is for the next start, which rescues, and nobody sees it before.
func (db *DB) rebuild() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	closed := db.index.Close()
	if err := db.restore(); err != nil {
		return errors.Join(err, closed)
	}
	db.notes.Retire() // the next note begins a file behind what is replayed here
	if err := db.openIndex(); err != nil {
		return err
	}
	if len(db.Damage) > 0 {
		return errors.Join(errDamage, db.index.Close())
	}
	return nil
}

// restore puts the newest checkpoint that is whole in the index's place, and removes those that aren't; none: an empty
// index, for the notes then hold everything. A copy gets the index's name when it is whole: this boot's index is trusted.
func (db *DB) restore() error {
	copies, err := db.checkpoints()
	if err != nil {
		return err
	}
	part := db.path(indexName + partEnd)
	for _, name := range slices.Backward(copies) {
		sum, err := copyFile(db.cfg.FS, db.path(name), part)
		if err != nil {
			return fmt.Errorf("restore index: %w", err)
		}
		if fmt.Sprintf("%08x", sum) == sumOfName(name) {
			if err := db.cfg.FS.Rename(part, db.path(indexName)); err != nil {
				return fmt.Errorf("restore index: %w", err)
			}
			return nil
		}
		db.Repaired = append(db.Repaired, "checkpoint "+name+" is damaged: an older one is taken, and more notes")
		if err := errors.Join(db.cfg.FS.Remove(part), db.cfg.FS.Remove(db.path(name))); err != nil {
			return err
		}
	}
	if err := db.cfg.FS.Remove(db.path(indexName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put index aside: %w", err)
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

// copyFile gives the copy's CRC-32C.
func copyFile(fsys disk.FS, from, to string) (sum uint32, err error) {
	in, err := fsys.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := fsys.CreatePrivate(to)
	if err != nil {
		return 0, err
	}
	crc := crc32.New(segment.Table)
	_, err = io.Copy(io.MultiWriter(io.NewOffsetWriter(out, 0), crc), io.NewSectionReader(in, 0, math.MaxInt64))
	return crc.Sum32(), errors.Join(err, out.Close())
}
