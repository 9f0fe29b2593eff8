package store

import (
	"fmt"
	"testing"
)

// A log that changes for ever keeps what is there, and of what is gone only the newest.
func TestChangeLogIsBounded(t *testing.T) {
	t.Parallel()
	var l changeLog[int]
	l.start()
	for i := range 10 {
		l.add(i)
	}
	_, from, _ := l.since(nil, 100)
	for i := 10; i < 100_000; i++ {
		l.add(i)
		l.remove(i)
		l.add(i % 10)
	}
	if len(l.order) > 4*keepGone || len(l.latest) > 4*keepGone {
		t.Errorf("%d changes and %d rows of ten are kept", len(l.order), len(l.latest))
	}
	list, next, more := l.since(from.bytes(), 1<<30)
	seen := make(map[int]bool)
	for _, c := range list {
		if seen[c.key] || c.fresh {
			t.Errorf("row %d comes twice, or is fresh", c.key)
		}
		seen[c.key] = true
	}
	for i := range 10 {
		if !seen[i] {
			t.Errorf("row %d changed, and isn't told", i)
		}
	}
	for i := 100_000 - keepGone; i < 100_000; i++ {
		if !seen[i] {
			t.Fatalf("row %d is gone, and isn't told", i)
		}
	}
	if list, _, _ := l.since(next.bytes(), 100); len(list) != 0 || more {
		t.Errorf("behind the end: %v", list)
	}
}

// A log is followed in pieces of any length.
func TestChangeLogInPieces(t *testing.T) {
	t.Parallel()
	var l changeLog[int]
	l.start()
	for i := range 100 {
		l.add(i)
		l.add(i / 2)
	}
	for _, most := range []int{1, 7, 1000} {
		var got []int
		var from []byte
		for more := true; more; {
			var list []changed[int]
			var next cursor
			list, next, more = l.since(from, most)
			from = next.bytes()
			for _, c := range list {
				got = append(got, c.key)
				if !c.fresh {
					t.Errorf("row %d isn't fresh to who begins", c.key)
				}
			}
			if !more && len(list) > 0 && list[len(list)-1].next != next {
				t.Errorf("behind the last row the cursor is another one")
			}
		}
		if len(got) != 100 {
			t.Errorf("%d at a time: %s", most, fmt.Sprint(got))
		}
	}
}
