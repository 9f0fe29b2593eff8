package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/disk"
	"postroom/services/store/disk/disktest"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

var account = [16]byte{7}

func start(t *testing.T, cfg Config) *DB {
	t.Helper()
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func key(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// put stores a body and a row that names it.
func put(db *DB, i int) error {
	body := fmt.Appendf(nil, "body %d\r\n", i)
	return db.Commit(context.Background(), &Call{
		Bodies: []segment.Body{segment.NewBody(segment.Received, account, time.Now(), body)},
		Plan: func(t *Txn, l []segment.Location) error {
			t.Save(In, key(i), &rows.Message{Account: account[:], Body: BodyOf(l[0])})
			return nil
		},
	})
}

// holds tells whether the row is there, and fails when it names another body than its own.
func holds(t *testing.T, db *DB, i int) bool {
	t.Helper()
	var m rows.Message
	found := false
	err := db.View(func(r *Reader) (err error) {
		found, err = r.Load(In, key(i), &m)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return false
	}
	f, err := db.Open(m.Body.Segment)
	if err != nil {
		t.Fatalf("body %d: %v", i, err)
	}
	defer f.Close()
	got := make([]byte, m.Body.Length)
	if _, err := f.ReadAt(got, int64(m.Body.Offset)); err != nil {
		t.Fatalf("body %d: %v", i, err)
	}
	if want := fmt.Sprintf("body %d\r\n", i); string(got) != want {
		t.Errorf("body %d: got %q, want %q", i, got, want)
	}
	return true
}

func mustPut(t *testing.T, db *DB, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := put(db, i); err != nil {
			t.Fatalf("put %d: %v", i, err)
		}
	}
}

func mustHold(t *testing.T, db *DB, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if !holds(t, db, i) {
			t.Errorf("row %d is missing", i)
		}
	}
}

func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestWhatWasCommittedIsThereAfterEveryKindOfEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 1, 20)
	killed := copyTree(t, dir)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, boot string }{
		"killed, same boot":   {killed, "one"},
		"power cut":           {copyTree(t, killed), "two"},
		"clean, same boot":    {dir, "one"},
		"clean, another boot": {copyTree(t, dir), "two"},
		"boots can't be told": {copyTree(t, killed), ""},
	} {
		t.Run(name, func(t *testing.T) {
			db := start(t, Config{Dir: c.dir, Boot: c.boot})
			mustHold(t, db, 1, 20)
			mustPut(t, db, 21, 25)
			mustHold(t, db, 1, 25)
			if len(db.Damage) > 0 {
				t.Errorf("damage %v", db.Damage)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A power cut loses the index: what it says is not believed.
func TestIndexOfAnotherBootIsNotTrusted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 1, 5)
	cut := copyTree(t, dir)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(cut, indexName)
	b, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096 * 2; i < len(b); i++ {
		b[i] ^= 0x55 // pages that never reached the disk
	}
	if err := os.WriteFile(index, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db = start(t, Config{Dir: cut, Boot: "two"})
	mustHold(t, db, 1, 5)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// The process dies at each named point; the folder is as the kernel has it then.
func TestDeathAtEachPoint(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"bodies-synced", "note-synced", "index-applied"} {
		for _, boot := range []string{"one", "two"} {
			t.Run(point+", then boot "+boot, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				died := ""
				at := ""
				db := start(t, Config{Dir: dir, Boot: "one", Point: func(name string) {
					if name == at {
						died = copyTree(t, dir)
					}
				}})
				mustPut(t, db, 1, 3)
				at = point
				mustPut(t, db, 4, 4)
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				again := start(t, Config{Dir: died, Boot: boot})
				mustHold(t, again, 1, 3)
				if got, want := holds(t, again, 4), point != "bodies-synced"; got != want {
					t.Errorf("row 4: %t, want %t", got, want)
				}
				mustPut(t, again, 5, 6)
				mustHold(t, again, 5, 6)
				if err := again.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// After a failed write or sync the batch is refused, nothing of it comes back, and the next one is taken.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ op, part string }{
		{"write", bodiesDir}, {"sync", bodiesDir}, {"write", notesDir}, {"sync", notesDir},
		{"create", bodiesDir}, {"create", notesDir}, {"syncdir", bodiesDir}, {"syncdir", notesDir},
	} {
		t.Run(c.op+" of "+c.part, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			faulty := &disktest.Faulty{FS: disk.OS{}}
			db := start(t, Config{Dir: dir, Boot: "one", FS: faulty})
			if c.op == "write" || c.op == "sync" { // else the first commit is the one that makes files
				mustPut(t, db, 1, 3)
			}
			faulty.Fail(func(op, name string) error {
				if op == c.op && strings.Contains(name, c.part) {
					return syscall.EIO
				}
				return nil
			})
			for i := 4; i <= 5; i++ {
				if err := put(db, i); !errors.Is(err, contract.ErrUnavailable) || !errors.Is(err, syscall.EIO) {
					t.Errorf("put %d on a failing disk: got %v, want ErrUnavailable and EIO", i, err)
				}
			}
			faulty.Fail(nil)
			mustPut(t, db, 6, 8)
			killed := copyTree(t, dir)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			again := start(t, Config{Dir: killed, Boot: "two"})
			if c.op == "write" || c.op == "sync" {
				mustHold(t, again, 1, 3)
			}
			mustHold(t, again, 6, 8)
			for i := 4; i <= 5; i++ {
				if holds(t, again, i) {
					t.Errorf("row %d was refused and is there", i)
				}
			}
			if len(again.Damage) > 0 {
				t.Errorf("damage %v", again.Damage)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A call that fails takes back its own changes, not its neighbours'.
func TestFailedCallOfABatchChangesNothing(t *testing.T) {
	t.Parallel()
	db := start(t, Config{Dir: t.TempDir(), Boot: "one"})
	wrong := errors.New("no")
	var calls sync.WaitGroup
	for i := range 60 {
		calls.Go(func() {
			if i%3 != 0 {
				if err := put(db, i); err != nil {
					t.Errorf("put %d: %v", i, err)
				}
				return
			}
			err := db.Update(context.Background(), func(t *Txn) error {
				t.Put(In, key(i), []byte{})
				t.Delete(In, key(i+1))
				t.Put(Meta, []byte("common"), []byte{byte(i)})
				return wrong
			})
			if !errors.Is(err, wrong) {
				t.Errorf("call %d: got %v", i, err)
			}
		})
	}
	calls.Wait()
	for i := range 60 {
		if got, want := holds(t, db, i), i%3 != 0; got != want {
			t.Errorf("row %d: %t, want %t", i, got, want)
		}
	}
	if err := db.View(func(r *Reader) error {
		if v := r.Get(Meta, []byte("common")); v != nil {
			t.Errorf("a failed call left %q", v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpointsKeepTwoAndRemoveOldNotes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one", CheckpointAfter: 4096})
	for round := range 5 {
		mustPut(t, db, round*100, round*100+99)
		db.notes.Retire() // a file of notes a round
	}
	killed := copyTree(t, dir)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	copies, err := db.checkpoints()
	if err != nil || len(copies) != 2 {
		t.Errorf("checkpoints %v, %v; want 2", copies, err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, notesDir))
	if err != nil || len(entries) > 3 {
		t.Errorf("%d files of notes are kept, %v", len(entries), err)
	}
	again := start(t, Config{Dir: killed, Boot: "two"})
	mustHold(t, again, 0, 499)
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewestCheckpointThatOpensIsTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for boot := range 3 { // a checkpoint at each clean stop
		db := start(t, Config{Dir: dir, Boot: fmt.Sprint(boot)})
		mustPut(t, db, boot*10, boot*10+9)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	copies, err := (&DB{cfg: Config{Dir: dir, FS: disk.OS{}}}).checkpoints()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, copies[len(copies)-1]), 5000); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, indexName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	db := start(t, Config{Dir: dir, Boot: "last"})
	mustHold(t, db, 0, 29)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAStoreIsOpenedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 1, 3)
	if _, err := Open(Config{Dir: dir, Boot: "two"}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second open said %v", err)
	}
	mustPut(t, db, 4, 6)
	mustHold(t, db, 1, 6)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestIDsAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seen := make(map[uint64]bool)
	for boot := range 3 {
		db := start(t, Config{Dir: dir, Boot: fmt.Sprint(boot)})
		var mu sync.Mutex
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				err := db.Update(context.Background(), func(t *Txn) error {
					id := t.NewID()
					t.Put(In, key(int(id)), []byte{})
					mu.Lock()
					defer mu.Unlock()
					if seen[id] {
						return fmt.Errorf("id %d was given before", id)
					}
					seen[id] = true
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if boot == 1 {
			db.stopForTest()
			continue
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stopForTest ends a store as a kill does, as far as its files tell.
func (db *DB) stopForTest() {
	close(db.stop)
	<-db.done
	db.notes.Retire()
	db.bodies.Retire()
	db.index.Close()
	db.unlock()
}
