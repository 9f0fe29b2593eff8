package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/disk"
	"postroom/services/store/disk/disktest"
)

// failing gives a store whose files fail where the test says, with rows 1 to 3.
func failing(t *testing.T, cfg Config) (*DB, *disktest.Faulty) {
	t.Helper()
	faulty := &disktest.Faulty{FS: disk.OS{}}
	cfg.FS = faulty
	db := start(t, cfg)
	mustPut(t, db, 1, 3)
	return db, faulty
}

// at fails one call on files with the text in their path.
func at(wanted, part string, err error) func(op, name string) error {
	return func(op, name string) error {
		if op == wanted && strings.Contains(filepath.Base(name), part) {
			return err
		}
		return nil
	}
}

// mustBeThere opens copies of the store, in the same boot and after a power cut, and looks for rows.
func mustBeThere(t *testing.T, dir string, from, to int) {
	t.Helper()
	for _, boot := range []string{"one", "two"} {
		db := start(t, Config{Dir: copyTree(t, dir), Boot: boot})
		mustHold(t, db, from, to)
		if len(db.Damage) > 0 {
			t.Errorf("boot %s: damage %v", boot, db.Damage)
		}
		mustPut(t, db, to+1, to+2)
		mustHold(t, db, from, to+2)
		if err := db.Close(); err != nil {
			t.Errorf("boot %s: %v", boot, err)
		}
	}
}

// A checkpoint that can't be made costs nothing but itself: commits are answered, and what it would have made needless
// stays.
func TestFailingCheckpoint(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "write", "sync", "rename", "remove"} {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprintf("%v at %s", errno, op), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				db, faulty := failing(t, Config{Dir: dir, Boot: "one", CheckpointAfter: 1024})
				hit := 0
				fault := at(op, checkpointStart, errno)
				faulty.Fail(func(op, name string) error {
					err := fault(op, name)
					if err != nil {
						hit++
					}
					return err
				})
				mustPut(t, db, 4, 60)
				mustHold(t, db, 1, 60)
				killed := copyTree(t, dir)
				// bbolt hands on the text of a write's error, not the error.
				if err := db.Close(); err == nil || !strings.Contains(err.Error(), errno.Error()) {
					t.Errorf("close without a checkpoint: %v, want %v", err, errno)
				}
				if hit == 0 {
					t.Error("nothing failed")
				}
				mustBeThere(t, killed, 1, 60)
				mustBeThere(t, dir, 1, 60)
			})
		}
	}
}

// A start that can't write says so, and changes nothing: the next one has everything.
func TestFailingStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ op, part, boot string }{
		{"create", stateName, "one"}, {"write", stateName, "one"}, {"sync", stateName, "one"}, {"rename", stateName, "one"},
		{"create", indexName, "two"}, {"write", indexName, "two"}, {"rename", indexName, "two"},
	} {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprintf("%v at %s of %s", errno, c.op, c.part), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				db, faulty := failing(t, Config{Dir: dir, Boot: "none"})
				if err := db.Close(); err != nil { // makes a checkpoint
					t.Fatal(err)
				}
				db = start(t, Config{Dir: dir, Boot: "one"})
				mustPut(t, db, 4, 6)
				killed := copyTree(t, dir)
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				faulty.Fail(at(c.op, c.part, errno))
				if db, err := Open(Config{Dir: killed, Boot: c.boot, FS: faulty}); !errors.Is(err, errno) {
					t.Errorf("open: %v, want %v", err, errno)
					if err == nil {
						db.Close()
					}
				}
				mustBeThere(t, killed, 1, 6)
			})
		}
	}
}

// refuse has writes to the open index fail: its file descriptor becomes another file's.
func refuse(t *testing.T, db *DB, with string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err != nil || to != db.path(indexName) {
			continue
		}
		f, err := os.Open(with)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var number int
		if _, err := fmt.Sscan(fd.Name(), &number); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Dup3(int(f.Fd()), number, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the index is not open")
}

// An index that doesn't take a commit is made again while its callers wait.
func TestIndexThatDoesNotTakeACommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, _ := failing(t, Config{Dir: dir, Boot: "one"})
	for i := 4; i <= 8; i += 2 {
		refuse(t, db, os.DevNull) // open for reading
		mustPut(t, db, i, i+1)
		mustHold(t, db, 1, i+1)
	}
	killed := copyTree(t, dir)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeThere(t, killed, 1, 9)
	mustBeThere(t, dir, 1, 9)
}

// Where it can't be made again, the call is not answered, and the next start has what it was for.
func TestIndexThatCanNotBeMadeAgain(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "write", "rename"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			before := start(t, Config{Dir: dir, Boot: "one"})
			if err := before.Close(); err != nil { // makes a checkpoint
				t.Fatal(err)
			}
			db, faulty := failing(t, Config{Dir: dir, Boot: "one"})
			refuse(t, db, os.DevNull)
			faulty.Fail(at(op, indexName, syscall.EIO))
			answered := make(chan error, 1)
			go func() { answered <- put(db, 4) }()
			select {
			case <-db.Failed():
			case err := <-answered:
				t.Fatalf("the put was answered: %v", err)
			}
			if err := db.Err(); !errors.Is(err, syscall.EIO) {
				t.Errorf("it failed for %v, want EIO", err)
			}
			if err := db.View(func(*Reader) error { return nil }); err == nil {
				t.Error("a view shows what no index knows")
			}
			faulty.Fail(nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := db.Close(); !errors.Is(err, syscall.EIO) {
				t.Errorf("close: %v, want EIO", err)
			}
			if err := <-answered; !errors.Is(err, contract.ErrUnavailable) {
				t.Errorf("the put that was under way: %v, want ErrUnavailable", err)
			}
			if err := db.Ping(ctx); !errors.Is(err, contract.ErrUnavailable) {
				t.Errorf("a later call: %v, want ErrUnavailable", err)
			}
			mustBeThere(t, dir, 1, 4)
		})
	}
}

// A copy of the index that was cut off never gets its place, and a shorter index than its own pages is not touched.
func TestIndexThatIsCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "none"})
	mustPut(t, db, 1, 300)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 301, 302)
	killed := copyTree(t, dir)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(killed, indexName)
	info, err := os.Stat(index)
	if err != nil {
		t.Fatal(err)
	}
	for size := info.Size() - 4096; size >= 0; size -= max(4096, info.Size()/8) {
		if err := os.Truncate(index, size); err != nil {
			t.Fatal(err)
		}
		part := filepath.Join(killed, "checkpoint-00000000000000000009.db"+partEnd)
		if err := os.WriteFile(part, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		mustBeThere(t, killed, 1, 302)
		again := start(t, Config{Dir: copyTree(t, killed), Boot: "one"})
		if _, err := os.Stat(again.path(filepath.Base(part))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("an unfinished copy is left: %v", err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
