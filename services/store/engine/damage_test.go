package engine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"postroom/services/contract"
)

// damageNote has the first whole note of row i be none any more.
func damageNote(t *testing.T, dir string, i int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, notesDir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, key(i))
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{0xff}, int64(at)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no note of row %d", i)
}

// A rescue is owed until it is told that it has ended, however the store ends and whatever the next start takes.
func TestARescueIsOwedUntilItHasEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 1, 5)
	cut := copyTree(t, dir)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	damageNote(t, cut, 4)

	owed := func(boot string) *DB {
		t.Helper()
		db := start(t, Config{Dir: cut, Boot: boot})
		if len(db.Damage) != 1 {
			t.Errorf("boot %s: damage %q, want one", boot, db.Damage)
		}
		mustPut(t, db, 6, 8) // in another file of notes
		return db
	}
	owed("two").stopForTest()
	if err := owed("two").Close(); err != nil {
		t.Fatal(err)
	}
	owed("three").stopForTest()
	db = owed("three")
	if err := db.Update(t.Context(), func(t *Txn) error { t.Rescued(); return nil }); err != nil {
		t.Fatal(err)
	}
	db.stopForTest()
	db = start(t, Config{Dir: cut, Boot: "three"})
	if len(db.Damage) > 0 {
		t.Errorf("behind the rescue: damage %q", db.Damage)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// An index that is made again from damaged notes lacks rows that were there: nobody sees it, and the next start rescues.
func TestIndexThatIsMadeAgainFromDamagedNotes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 1, 5)
	damageNote(t, dir, 4)
	refuse(t, db, os.DevNull)
	answered := make(chan error, 1)
	go func() { answered <- put(db, 6) }()
	select {
	case <-db.Failed():
	case err := <-answered:
		t.Errorf("the put was answered (%v), and row 4 is there: %t", err, holds(t, db, 4))
		answered <- contract.ErrUnavailable
	}
	if err := db.View(func(*Reader) error { return nil }); err == nil {
		t.Error("a view shows an index that lacks rows")
	}
	if err := db.Close(); !errors.Is(err, errDamage) {
		t.Errorf("close: %v, want %v", err, errDamage)
	}
	if err := <-answered; !errors.Is(err, contract.ErrUnavailable) {
		t.Errorf("the put that was under way: %v, want ErrUnavailable", err)
	}
	if err := db.Ping(context.WithoutCancel(t.Context())); !errors.Is(err, contract.ErrUnavailable) {
		t.Errorf("a later call: %v, want ErrUnavailable", err)
	}
	for _, boot := range []string{"one", "two"} {
		again := start(t, Config{Dir: copyTree(t, dir), Boot: boot})
		if len(again.Damage) != 1 {
			t.Errorf("boot %s: damage %q, want one", boot, again.Damage)
		}
		mustHold(t, again, 1, 3)
		mustHold(t, again, 5, 6)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
