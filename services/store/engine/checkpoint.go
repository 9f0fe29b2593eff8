package engine

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"postroom/services/store/segment"

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
	part := db.path(fmt.Sprintf("%s%020d%s", checkpointStart, sequence, partEnd))
	sum, err := db.copyIndex(part)
	if err != nil {
		return errors.Join(fmt.Errorf("checkpoint: %w", err), db.cfg.FS.Remove(part))
	}
	name := fmt.Sprintf("%s%020d-%08x%s", checkpointStart, sequence, sum, checkpointEnd)
	if err := db.cfg.FS.Rename(part, db.path(name)); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := db.cfg.FS.SyncDir(db.cfg.Dir); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return db.prune()
}

// copyIndex gives the copy's CRC-32C, too.
func (db *DB) copyIndex(name string) (sum uint32, err error) {
	f, err := db.cfg.FS.CreatePrivate(name)
	if err != nil {
		return 0, err
	}
	crc := crc32.New(segment.Table)
	db.mu.RLock()
	err = db.index.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(io.MultiWriter(io.NewOffsetWriter(f, 0), crc))
		return err
	})
	db.mu.RUnlock()
	if err == nil {
		err = f.Sync()
	}
	return crc.Sum32(), errors.Join(err, f.Close())
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

// A checkpoint's name: checkpoint-SEQUENCE-SUM.db, with its CRC-32C in hexadecimal (bbolt's pages have none).
func sequenceOfName(name string) uint64 {
	digits, _, _ := strings.Cut(strings.TrimPrefix(name, checkpointStart), "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func sumOfName(name string) string {
	_, sum, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(name, checkpointEnd), checkpointStart), "-")
	return sum
}

// The state file says whether the index may be taken: after a clean stop "clean" and the index's CRC-32C, else the boot
// that wrote it, or that it is being opened and may not.
const (
	clean   = "clean "
	opening = "opening"
)

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
	want, closed := strings.CutPrefix(state, clean)
	if !closed {
		return db.cfg.Boot != "" && state == db.cfg.Boot, nil
	}
	sum, err := db.sumOfIndex()
	if err != nil {
		return false, err
	}
	if fmt.Sprintf("%08x", sum) != want {
		db.Repaired = append(db.Repaired, "the index is not as it was left: made again from checkpoint and notes")
		return false, nil
	}
	return true, nil
}

func (db *DB) sumOfIndex() (uint32, error) {
	f, err := os.Open(db.path(indexName))
	if err != nil {
		return 0, fmt.Errorf("read index: %w", err)
	}
	defer f.Close()
	crc := crc32.New(segment.Table)
	if _, err := io.CopyBuffer(struct{ io.Writer }{crc}, f, make([]byte, 1<<20)); err != nil {
		return 0, fmt.Errorf("read index: %w", err)
	}
	return crc.Sum32(), nil
}

func (db *DB) writeState(state string) error {
	part := db.path(stateName + partEnd)
	f, err := db.cfg.FS.CreatePrivate(part)
	if err != nil {
		return fmt.Errorf("write state of the index: %w", err)
	}
	_, err = f.WriteAt([]byte(state+"\n"), 0)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = db.cfg.FS.Rename(part, db.path(stateName))
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
	sum, err := db.sumOfIndex()
	if err != nil {
		return err
	}
	return db.writeState(fmt.Sprintf("%s%08x", clean, sum))
}
