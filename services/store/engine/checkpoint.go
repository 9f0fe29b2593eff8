package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
)

const (
	checkpointStart = "checkpoint-"
	checkpointEnd   = ".db"
	partEnd         = ".part" // of a file that is being made
	keepCheckpoints = 2
)

// copyIfDue begins a checkpoint beside the committer when the notes since the last one pass the bound.
func (db *DB) copyIfDue() {
	if db.copying != nil {
		select {
		case <-db.copying:
			db.copying = nil
		default:
			return
		}
	}
	if db.sinceCopy < db.cfg.CheckpointAfter {
		return
	}
	db.sinceCopy = 0
	copied := make(chan struct{})
	db.copying = copied
	sequence := db.sequence
	go func() {
		defer close(copied)
		if err := db.checkpoint(sequence); err != nil {
			db.cfg.Log.Error("checkpoint of the index", "err", err)
		}
	}()
}

// checkpoint copies the index, synced and renamed, and removes what two checkpoints make needless. The copy
// is of sequence or of a later commit.
func (db *DB) checkpoint(sequence uint64) error {
	name := fmt.Sprintf("%s%020d%s", checkpointStart, sequence, checkpointEnd)
	part := db.path(name + partEnd)
	if err := db.copyIndex(part); err != nil {
		return errors.Join(fmt.Errorf("checkpoint: %w", err), os.Remove(part))
	}
	if err := os.Rename(part, db.path(name)); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := db.cfg.FS.SyncDir(db.cfg.Dir); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return db.prune()
}

func (db *DB) copyIndex(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	db.mu.RLock()
	err = db.index.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	db.mu.RUnlock()
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// prune removes checkpoints but two, and notes older than both.
func (db *DB) prune() error {
	copies, err := db.checkpoints()
	if err != nil || len(copies) < keepCheckpoints {
		return err
	}
	for _, name := range copies[:len(copies)-keepCheckpoints] {
		if err := db.cfg.FS.Remove(db.path(name)); err != nil {
			return fmt.Errorf("remove checkpoint: %w", err)
		}
	}
	return db.notes.RemoveBefore(sequenceOfName(copies[len(copies)-keepCheckpoints]) + 1)
}

// checkpoints gives the names of the checkpoints, oldest first.
func (db *DB) checkpoints() ([]string, error) {
	entries, err := db.cfg.FS.ReadDir(db.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("read folder of the store: %w", err)
	}
	var names []string
	for _, e := range entries { // sorted by name, and so by sequence
		if strings.HasPrefix(e.Name(), checkpointStart) && strings.HasSuffix(e.Name(), checkpointEnd) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func sequenceOfName(name string) uint64 {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, checkpointStart), checkpointEnd)
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// The state file says whether the index may be taken: "clean" after a clean stop, else the boot that wrote it.
const clean = "clean"

func (db *DB) trusted() (bool, error) {
	b, err := os.ReadFile(db.path(stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read state of the index: %w", err)
	}
	if _, err := os.Stat(db.path(indexName)); err != nil {
		return false, nil // there is nothing to take
	}
	state := strings.TrimSpace(string(b))
	return state == clean || db.cfg.Boot != "" && state == db.cfg.Boot, nil
}

func (db *DB) writeState(closed bool) error {
	state := db.cfg.Boot
	if closed {
		state = clean
	}
	part := db.path(stateName + partEnd)
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write state of the index: %w", err)
	}
	_, err = f.WriteString(state + "\n")
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(part, db.path(stateName))
	}
	if err == nil {
		err = db.cfg.FS.SyncDir(db.cfg.Dir)
	}
	if err != nil {
		return fmt.Errorf("write state of the index: %w", err)
	}
	return nil
}

// closeIndex closes the index so that the next start may take it.
func (db *DB) closeIndex() error {
	if err := errors.Join(db.index.Sync(), db.index.Close()); err != nil {
		return fmt.Errorf("close index: %w", err)
	}
	return db.writeState(true)
}
