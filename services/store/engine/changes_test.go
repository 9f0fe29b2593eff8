package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"postroom/services/store/disk"
	"postroom/services/store/notes"
	"postroom/services/store/segment"
)

// inOneBatch has the committer take the calls as one batch: it finds them behind one that holds it up.
func inOneBatch(t *testing.T, db *DB, plans ...func(*Txn) error) []error {
	t.Helper()
	held, goOn := make(chan struct{}), make(chan struct{})
	first := db.queue(func(t *Txn) error {
		t.After(func() { close(held); <-goOn })
		return nil
	})
	<-held
	var waiting []*calls
	for _, plan := range plans {
		waiting = append(waiting, db.queue(plan))
	}
	close(goOn)
	errs := []error{}
	<-first.done
	if err := first.list[0].err; err != nil {
		t.Fatal(err)
	}
	for _, c := range waiting {
		<-c.done
		errs = append(errs, c.list[0].err)
	}
	return errs
}

func (db *DB) queue(plan func(*Txn) error) *calls {
	one := &Call{Plan: func(t *Txn, _ []segment.Location) error { return plan(t) }}
	c := &calls{ctx: context.Background(), list: []*Call{one}, done: make(chan struct{})}
	db.calls <- c
	return c
}

// noted gives what the notes change, in order.
func noted(t *testing.T, dir string) (changes []string) {
	t.Helper()
	_, damage, err := notes.Replay(disk.OS{}, filepath.Join(dir, notesDir), 0, func(sequence uint64, payload []byte) error {
		return decodeChanges(payload, func(c change) error {
			what := fmt.Sprintf("%d: %v %s = %s", sequence, c.bucket, c.key, c.value)
			if c.remove {
				what = fmt.Sprintf("%d: %v %s removed", sequence, c.bucket, c.key)
			}
			if c.bucket == In {
				changes = append(changes, what)
			}
			return nil
		})
	})
	if err != nil || len(damage) > 0 {
		t.Fatalf("replay: %v, damage %v", err, damage)
	}
	return changes
}

func inQueue(r *Reader) (list []string) {
	for key, value := range r.Scan(In, nil, nil) {
		list = append(list, fmt.Sprintf("%s = %s", key, value))
	}
	return list
}

func TestARowOfManyCallsOfABatchIsNotedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	refused := errors.New("refused")
	put := func(t *Txn, key, value string) { t.Put(In, []byte(key), []byte(value)) }
	expect := func(r *Reader, want ...string) {
		t.Helper()
		if got := inQueue(r); !slices.Equal(got, want) {
			t.Errorf("rows: got %q, want %q", got, want)
		}
	}
	errs := inOneBatch(t, db,
		func(t *Txn) error {
			put(t, "a", "1")
			put(t, "shared", "1")
			return nil
		},
		func(t *Txn) error { // sees what came before, in the index's transaction too; all of it is taken back
			expect(&t.Reader, "a = 1", "shared = 1")
			put(t, "shared", "2")
			put(t, "b", "2")
			t.Delete(In, []byte("a"))
			expect(&t.Reader, "b = 2", "shared = 2")
			return refused
		},
		func(t *Txn) error {
			if got := t.Get(In, []byte("shared")); string(got) != "1" {
				return fmt.Errorf("shared: got %q, want 1", got)
			}
			if got := t.Get(In, []byte("b")); got != nil {
				return fmt.Errorf("b: got %q, want none", got)
			}
			put(t, "shared", "3")
			put(t, "gone", "3")
			t.Delete(In, []byte("gone"))
			put(t, "empty", "")
			return nil
		},
	)
	if want := []error{nil, refused, nil}; !slices.Equal(errs, want) {
		t.Errorf("answers: got %v, want %v", errs, want)
	}
	errs = inOneBatch(t, db,
		func(t *Txn) error {
			put(t, "shared", "4")
			t.Delete(In, []byte("empty"))
			return nil
		},
		func(t *Txn) error { put(t, "shared", "3"); put(t, "empty", ""); return nil },
		func(t *Txn) error { t.Put(In, nil, nil); return nil },
		func(t *Txn) error { t.Delete(In, []byte("a")); return nil },
	)
	if errs[0] != nil || errs[1] != nil || errs[2] == nil || errs[3] != nil {
		t.Errorf("answers: got %v, want an error of the third, without a key", errs)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"1: in a = 1", "1: in shared = 3", "1: in empty = ", "2: in a removed"}
	if got := noted(t, dir); !slices.Equal(got, want) {
		t.Errorf("notes: got %q, want %q", got, want)
	}
	db = start(t, Config{Dir: dir, Boot: "two"})
	if err := db.View(func(r *Reader) error { expect(r, "empty = ", "shared = 3"); return nil }); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestChangesThatAddUpToNothingAreNotNoted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := start(t, Config{Dir: dir, Boot: "one"})
	mustPut(t, db, 1, 1)
	before := len(noted(t, dir))
	errs := inOneBatch(t, db,
		func(t *Txn) error { t.Put(In, []byte("x"), []byte("x")); return nil },
		func(t *Txn) error { t.Delete(In, []byte("x")); return nil },
		func(t *Txn) error { t.Put(In, key(1), t.Get(In, key(1))); return nil },
	)
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if got := len(noted(t, dir)); got != before {
		t.Errorf("changes in notes: got %d, want %d as before", got, before)
	}
	mustHold(t, db, 1, 1)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// Rows of a kind that isn't known are a newer program's: they are not damage.
func TestChangesOfAnUnknownBucket(t *testing.T) {
	t.Parallel()
	note := appendChange(nil, change{bucket: 200, key: []byte("k"), value: []byte("v")})
	if err := decodeChanges(note, func(change) error { return nil }); !errors.Is(err, notes.ErrVersion) {
		t.Errorf("got %v, want notes.ErrVersion", err)
	}
}
