package queue

import (
	"container/heap"
	"time"

	"postroom/services/smtp/relay"
	"postroom/services/smtp/route"
)

// How many tries there may be at one time. A destination that hasn't answered lately is suspect: it gets one, and all of
// those together half of the places, so that dead ones never take those of the living.
const (
	overall      = 100
	perRelay     = 4
	perMX        = 2
	perBox       = 8 // local delivery, and what asks the store alone
	suspectsOver = overall / 2
)

// item is a mail's recipients that go one way. It's in its flow's heap unless it's being tried.
type item struct {
	mail  *mail
	way   *route.Way // shared by all that go that way
	flow  *flow
	due   int64 // unix, nanoseconds
	index int32 // in the flow's heap; -1: not there

	suspect bool // it's tried in a place for suspects
	left    bool // its destination: what is to come is between the runner and the store
}

// flow holds what one sender has for a destination, the first due on top. Destinations take their senders in turn.
type flow struct {
	sender string
	dest   *dest
	items  items
	index  int  // in dest.waiting; -1: not there
	ready  bool // in dest.ready
}

// dest is a destination: what one server, or one domain's servers, are sent.
type dest struct {
	key     string
	most    int
	flows   map[string]*flow
	ready   []*flow // that have something due, in turn
	waiting flows   // by their first due time
	index   int     // in lines.asleep; -1: not there
	inLine  bool
	running int

	suspect  bool // it's not known to answer
	failures int  // in a row
	until    time.Time
	failed   *relay.Failure // the last one, while until is to come
}

func (d *dest) limit() int {
	if d.suspect {
		return 1
	}
	return d.most
}

// lines holds all destinations: those that have something due and room, in turn; and the others by their first due time.
// So what is due is found without looking at what isn't, and no destination holds up another. Its user locks it.
type lines struct {
	dests    map[string]*dest
	line     []*dest // that answered lately
	suspects []*dest
	asleep   dests
	trusted  map[string]bool // keys of those that answered when they were last asked; most have nothing now

	running, runningSuspects int
}

// maxTrusted bounds what is remembered of those that have nothing: beyond it all begin as suspects again.
const maxTrusted = 10_000

func newLines() *lines { return &lines{dests: map[string]*dest{}, trusted: map[string]bool{}} }

// trust keeps that a destination answers.
func (l *lines) trust(d *dest) {
	d.suspect = false
	if len(l.trusted) >= maxTrusted {
		clear(l.trusted)
	}
	l.trusted[d.key] = true
}

// doubt keeps that it doesn't.
func (l *lines) doubt(d *dest) {
	d.suspect = true
	delete(l.trusted, d.key)
}

func (l *lines) dest(key string, most int, suspect bool) *dest {
	d := l.dests[key]
	if d == nil {
		d = &dest{key: key, most: most, flows: map[string]*flow{}, index: -1, suspect: suspect && !l.trusted[key]}
		l.dests[key] = d
	}
	return d
}

// add puts an item where it belongs.
func (l *lines) add(it *item, d *dest, sender string) {
	f := d.flows[sender]
	if f == nil {
		f = &flow{sender: sender, dest: d, index: -1}
		d.flows[sender] = f
	}
	it.flow = f
	heap.Push(&f.items, it)
	l.placeFlow(f)
}

// remove takes an item out; one that is being tried is in no heap.
func (l *lines) remove(it *item) {
	if it.index < 0 {
		return
	}
	heap.Remove(&it.flow.items, int(it.index))
	l.placeFlow(it.flow)
}

// placeFlow puts a flow where its first item belongs. One that is ready stays so until its turn comes.
func (l *lines) placeFlow(f *flow) {
	d := f.dest
	switch {
	case f.ready:
	case len(f.items) == 0:
		if f.index >= 0 {
			heap.Remove(&d.waiting, f.index)
		}
		delete(d.flows, f.sender)
	case f.index >= 0:
		heap.Fix(&d.waiting, f.index)
	default:
		heap.Push(&d.waiting, f)
	}
	l.place(d)
}

// place puts a destination into the line, or to sleep, or both; one without anything is forgotten.
func (l *lines) place(d *dest) {
	if len(d.ready) > 0 && d.running < d.limit() && !d.inLine {
		d.inLine = true
		if d.suspect {
			l.suspects = append(l.suspects, d)
		} else {
			l.line = append(l.line, d)
		}
	}
	switch in := len(d.waiting) > 0; {
	case !in && d.index >= 0:
		l.wake(d)
	case in && d.index >= 0:
		heap.Fix(&l.asleep, d.index)
	case in:
		heap.Push(&l.asleep, d)
	}
	if len(d.flows) == 0 && d.running == 0 {
		delete(l.dests, d.key)
	}
}

// wake takes a destination out of the sleepers; its waiting flows may be none, which can't be compared.
func (l *lines) wake(d *dest) {
	i, last := d.index, len(l.asleep)-1
	if i != last {
		l.asleep.Swap(i, last)
	}
	l.asleep[last] = nil
	l.asleep = l.asleep[:last]
	d.index = -1
	if i != last {
		heap.Fix(&l.asleep, i)
	}
}

// next takes what is to be tried now; nil: nothing is.
func (l *lines) next(now time.Time) *item {
	at := now.UnixNano()
	for len(l.asleep) > 0 && l.asleep[0].waiting[0].items[0].due <= at {
		d := l.asleep[0]
		for len(d.waiting) > 0 && d.waiting[0].items[0].due <= at {
			f := heap.Pop(&d.waiting).(*flow)
			f.ready = true
			d.ready = append(d.ready, f)
		}
		l.place(d)
	}
	if l.running < overall {
		if it := l.take(&l.line, at); it != nil {
			return it
		}
		if l.runningSuspects < suspectsOver {
			if it := l.take(&l.suspects, at); it != nil {
				l.runningSuspects++
				it.suspect = true
				return it
			}
		}
	}
	return nil
}

// peek says when the first sleeper is due; false: none is asleep.
func (l *lines) peek() (bool, time.Time) {
	if len(l.asleep) == 0 {
		return false, time.Time{}
	}
	return true, time.Unix(0, l.asleep[0].waiting[0].items[0].due)
}

// take gives the next destination's next sender's first item.
func (l *lines) take(line *[]*dest, at int64) *item {
	for len(*line) > 0 {
		d := (*line)[0]
		(*line)[0] = nil
		*line = (*line)[1:]
		d.inLine = false
		if (line == &l.suspects) != d.suspect {
			l.place(d) // it changed sides
			continue
		}
		if d.running >= d.limit() {
			continue // it comes back when a try of its ends
		}
		for len(d.ready) > 0 {
			f := d.ready[0]
			d.ready[0] = nil
			d.ready = d.ready[1:]
			f.ready = false
			if len(f.items) == 0 || f.items[0].due > at {
				l.placeFlow(f)
				continue
			}
			it := heap.Pop(&f.items).(*item)
			d.running++
			l.running++
			if len(f.items) > 0 && f.items[0].due <= at {
				f.ready = true
				d.ready = append(d.ready, f)
			}
			l.placeFlow(f)
			return it
		}
		l.place(d)
	}
	return nil
}

// leave gives back an item's place at its destination.
func (l *lines) leave(it *item) {
	if it.left {
		return
	}
	it.left = true
	it.flow.dest.running--
	if it.suspect {
		l.runningSuspects--
	}
	l.place(it.flow.dest)
}

// done ends the try of an item, which is in no heap any more.
func (l *lines) done(it *item) {
	l.leave(it)
	l.running--
}

type items []*item

func (q items) Len() int           { return len(q) }
func (q items) Less(i, j int) bool { return q[i].due < q[j].due }
func (q items) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = int32(i), int32(j)
}
func (q *items) Push(x any) {
	it := x.(*item)
	it.index = int32(len(*q))
	*q = append(*q, it)
}
func (q *items) Pop() any {
	last := len(*q) - 1
	it := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	it.index = -1
	return it
}

type flows []*flow

func (q flows) Len() int           { return len(q) }
func (q flows) Less(i, j int) bool { return q[i].items[0].due < q[j].items[0].due }
func (q flows) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *flows) Push(x any) {
	f := x.(*flow)
	f.index = len(*q)
	*q = append(*q, f)
}
func (q *flows) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	f.index = -1
	return f
}

type dests []*dest

func (q dests) Len() int { return len(q) }
func (q dests) Less(i, j int) bool {
	return q[i].waiting[0].items[0].due < q[j].waiting[0].items[0].due
}
func (q dests) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *dests) Push(x any) {
	d := x.(*dest)
	d.index = len(*q)
	*q = append(*q, d)
}
func (q *dests) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	d.index = -1
	return d
}
