package queue

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever comes, goes and ends in whatever order: what is due is given out once, never before its time, never over a limit, and
// nothing due is left while there is room for it.
func TestLines(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		l := newLines()
		now := time.Unix(1000, 0)
		waiting, running := map[*item]bool{}, map[*item]*dest{}
		room := func(it *item) bool {
			d := it.flow.dest
			return d.running < d.limit() && l.running < overall && (!d.suspect || l.runningSuspects < suspectsOver)
		}
		for step := range 3000 {
			switch random.IntN(8) {
			case 0, 1, 2:
				d := l.dest(fmt.Sprint(random.IntN(120)), 1+random.IntN(4), random.IntN(2) == 0)
				it := &item{mail: &mail{}, due: now.Add(time.Duration(random.IntN(40)-10) * time.Second).UnixNano(), index: -1}
				l.add(it, d, fmt.Sprint(random.IntN(3)))
				waiting[it] = true
			case 3:
				for it := range waiting {
					l.remove(it)
					delete(waiting, it)
					break
				}
			case 4:
				for it, d := range running {
					d.suspect = random.IntN(3) == 0
					l.done(it)
					delete(running, it)
					break
				}
			case 5:
				now = now.Add(time.Duration(random.IntN(5)) * time.Second)
			default:
				for {
					it := l.next(now)
					if it == nil {
						break
					}
					d := it.flow.dest
					if !waiting[it] || it.due > now.UnixNano() || d.running > d.most || l.running > overall || l.runningSuspects > suspectsOver {
						t.Fatalf("seed %d, step %d: %+v of %+v", seed, step, it, d)
					}
					delete(waiting, it)
					running[it] = d
				}
				for it := range waiting {
					if it.due <= now.UnixNano() && room(it) {
						t.Fatalf("seed %d, step %d: due since %v, and there is room", seed, step, now.Sub(time.Unix(0, it.due)))
					}
				}
			}
		}
		for it := range waiting {
			l.remove(it)
		}
		for it := range running {
			l.done(it)
		}
		for range overall { // the ready lines are emptied lazily
			l.next(now)
		}
		if l.running != 0 || l.runningSuspects != 0 || len(l.asleep) != 0 {
			t.Errorf("seed %d: %d running, %d suspects, %d asleep", seed, l.running, l.runningSuspects, len(l.asleep))
		}
	}
}
