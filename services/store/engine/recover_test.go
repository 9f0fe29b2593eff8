package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postroom/services/store/disk"
	"postroom/services/store/disk/disktest"
)

// A process dies between a note's write and its sync; the next one shows what the note says, so a power cut that takes
// the note where it was written must not take it back.
func TestANoteThatAReaderSawIsDurable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	faulty := &disktest.Faulty{FS: disk.OS{}}
	db := start(t, Config{Dir: dir, Boot: "one", FS: faulty})
	mustPut(t, db, 1, 3)
	faulty.Fail(func(op, name string) error {
		if op == "sync" && strings.Contains(name, notesDir) {
			return syscall.EIO // it never comes to it
		}
		return nil
	})
	if err := put(db, 4); err == nil {
		t.Fatal("a put that wasn't synced was answered")
	}
	faulty.Fail(nil)
	died := copyTree(t, dir)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	synced := make(map[string]bool)
	again := &disktest.Faulty{FS: disk.OS{}}
	again.Fail(func(op, name string) error {
		if op == "sync" {
			synced[filepath.Base(name)] = true
		}
		return nil
	})
	db = start(t, Config{Dir: died, Boot: "one", FS: again})
	seen := holds(t, db, 4)
	mustPut(t, db, 5, 6)
	cut := copyTree(t, died)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if log := filepath.Join(cut, notesDir, "00000001.log"); !synced[filepath.Base(log)] { // the cut takes what was never synced
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		clear(b[bytes.LastIndex(b, []byte("PRnt")):])
		if err := os.WriteFile(log, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	db = start(t, Config{Dir: cut, Boot: "two"})
	mustHold(t, db, 1, 3)
	mustHold(t, db, 5, 6)
	if !seen {
		t.Error("row 4 was not shown: this test shows nothing")
	}
	if holds(t, db, 4) != seen {
		t.Error("row 4 was shown, and is lost")
	}
	if len(db.Damage) > 0 {
		t.Errorf("damage %v", db.Damage)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnfinishedFilesAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"checkpoint-00000000000000000007.db.part", "index.state.part"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := start(t, Config{Dir: dir, Boot: "one"})
	if left, err := filepath.Glob(filepath.Join(dir, "*.part")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// A start that fails, or dies, with the index open is not repeated with that index.
func TestAFailedStartDoesNotTrustItsIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 1, 5)
	db.stopForTest()
	faulty := &disktest.Faulty{FS: disk.OS{}}
	faulty.Fail(func(op, name string) error {
		if op == "open" && strings.Contains(name, bodiesDir) {
			return syscall.EIO
		}
		return nil
	})
	if _, err := Open(Config{Dir: dir, Boot: "one", FS: faulty}); err == nil {
		t.Fatal("opened")
	}
	if trusted, err := (&DB{cfg: Config{Dir: dir, Boot: "one"}}).trusted(); trusted || err != nil {
		t.Errorf("index trusted: %t, %v", trusted, err)
	}
	db = start(t, Config{Dir: dir, Boot: "one"})
	mustHold(t, db, 1, 5)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// bbolt's pages have no checksums: the index has one when it was closed, and each checkpoint.
func TestADamagedIndexIsNotTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for boot := range 3 {
		db := start(t, Config{Dir: dir, Boot: "one"})
		mustPut(t, db, boot*10, boot*10+9)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	copies, err := filepath.Glob(filepath.Join(dir, "checkpoint-*"))
	if err != nil || len(copies) != 2 {
		t.Fatal(copies, err)
	}
	value := []byte{0x10, 7, 0} // the account in a row
	for _, damaged := range [][]string{{indexName}, {indexName, filepath.Base(copies[1])}} {
		t.Run(strings.Join(damaged, " and "), func(t *testing.T) {
			hit := copyTree(t, dir)
			for _, name := range damaged {
				b, err := os.ReadFile(filepath.Join(hit, name))
				if err != nil {
					t.Fatal(err)
				}
				at := bytes.LastIndex(b, value)
				if at < 0 {
					t.Fatal("no row to damage")
				}
				b[at+1] ^= 1
				if err := os.WriteFile(filepath.Join(hit, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			db := start(t, Config{Dir: hit, Boot: "one"})
			mustHold(t, db, 0, 29)
			if len(db.Repaired) != len(damaged) || len(db.Damage) > 0 {
				t.Errorf("repaired %q, damage %q", db.Repaired, db.Damage)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
