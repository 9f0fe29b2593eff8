package store

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
)

// changeLog knows which rows changed since when, so that who follows them asks only for those. It lives as long as the
// store does: a cursor of another run of it gives all rows.
type changeLog[K comparable] struct {
	mu       sync.Mutex
	run      uint64
	revision uint64
	latest   map[K]uint64 // the revision of a row's last change
	order    []change[K]  // by revision; older changes of a row stand there until compacted
	gone     int          // changes of order that may be forgotten
}

type change[K comparable] struct {
	revision uint64
	key      K
	gone     bool // the row's last: it may be forgotten
}

// keepGone is how many changes of what is gone a log keeps at least. Who lags more learns of it by asking for it.
const keepGone = 1000

func (l *changeLog[K]) start() {
	l.run = rand.Uint64()
	l.latest = make(map[K]uint64)
}

// add notes a row that came, went or changed.
func (l *changeLog[K]) add(key K) { l.note(key, false) }

// remove notes a row that went and never comes back.
func (l *changeLog[K]) remove(key K) { l.note(key, true) }

func (l *changeLog[K]) note(key K, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revision++
	l.latest[key] = l.revision
	l.order = append(l.order, change[K]{l.revision, key, gone})
	if gone {
		l.gone++
	}
	if len(l.order) > 2*(len(l.latest)-l.gone)+64+2*keepGone {
		l.compact()
	}
}

func (l *changeLog[K]) compact() {
	forget := l.gone - keepGone
	l.order = slices.DeleteFunc(l.order, func(c change[K]) bool {
		if c.gone && forget > 0 {
			forget--
			l.gone--
			delete(l.latest, c.key)
			return true
		}
		return l.latest[c.key] != c.revision
	})
}

// changed is a row that changed after a cursor.
type changed[K comparable] struct {
	key   K
	fresh bool   // to who asks: the cursor began with another run of the store, or with none
	next  cursor // behind it
}

// cursor is where who follows a log has come to.
type cursor struct {
	run, after uint64
	freshTo    uint64 // the last revision that is fresh to who asks
}

// cursorSize is the octets of a cursor: its three numbers, big-endian.
const cursorSize = 24

func (c cursor) bytes() []byte {
	b := binary.BigEndian.AppendUint64(nil, c.run)
	b = binary.BigEndian.AppendUint64(b, c.after)
	return binary.BigEndian.AppendUint64(b, c.freshTo)
}

// since gives up to most rows that changed after a cursor, and the cursor behind them.
func (l *changeLog[K]) since(from []byte, most int) (list []changed[K], next cursor, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next = cursor{run: l.run, freshTo: l.revision}
	if len(from) == cursorSize && binary.BigEndian.Uint64(from) == l.run {
		next.after, next.freshTo = binary.BigEndian.Uint64(from[8:]), binary.BigEndian.Uint64(from[16:])
	}
	i, _ := slices.BinarySearchFunc(l.order, next.after+1, func(c change[K], revision uint64) int {
		return cmp.Compare(c.revision, revision)
	})
	for ; i < len(l.order); i++ {
		c := l.order[i]
		if l.latest[c.key] != c.revision {
			continue
		}
		if len(list) == most {
			return list, next, true
		}
		next.after = c.revision
		list = append(list, changed[K]{c.key, c.revision <= next.freshTo, next})
	}
	return list, next, false
}
