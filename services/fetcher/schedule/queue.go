package schedule

import (
	"container/heap"
	"time"

	"postroom/services/settings"
)

// queue holds the accounts of one host that are to be fetched, the one that is due first on top.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}

// host is a provider's host: the accounts that are to be fetched there, and how many are being fetched.
type host struct {
	name     string
	accounts int           // that are known
	running  int           // sessions
	interval time.Duration // the settings' minimum
	queue    queue
	index    int // in the line; -1: it isn't there
}

// line holds the hosts that have an account to be fetched and room for a session, the one whose first account is due
// first on top: so a host at its limit holds up no other, and isn't looked at.
type line []*host

func (l line) Len() int           { return len(l) }
func (l line) Less(i, j int) bool { return l[i].queue[0].due.Before(l[j].queue[0].due) }

func (l line) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

func (l *line) Push(x any) {
	h := x.(*host)
	h.index = len(*l)
	*l = append(*l, h)
}

func (l *line) Pop() any {
	last := len(*l) - 1
	h := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	h.index = -1
	return h
}

// place puts an account where its due time belongs, or takes it out.
func (l *line) place(e *entry, in bool, limit int) {
	q := &e.host.queue
	switch {
	case !in && e.index >= 0:
		heap.Remove(q, e.index)
	case in && e.index >= 0:
		heap.Fix(q, e.index)
	case in:
		heap.Push(q, e)
	}
	l.arrange(e.host, limit)
}

// arrange puts a host where its first account belongs, or takes it out.
func (l *line) arrange(h *host, limit int) {
	in := len(h.queue) > 0 && h.running < limit
	switch {
	case !in && h.index >= 0:
		// Its first account may have changed: the heap is in order only without it.
		l.drop(h)
	case in && h.index >= 0:
		heap.Fix(l, h.index)
	case in:
		heap.Push(l, h)
	}
}

// drop takes out a host whose queue may be empty, which Less can't compare.
func (l *line) drop(h *host) {
	i, last := h.index, len(*l)-1
	if i != last {
		l.Swap(i, last)
	}
	(*l)[last] = nil
	*l = (*l)[:last]
	h.index = -1
	if i != last {
		heap.Fix(l, i)
	}
}

// leastPerHost is how many sessions with one host are always allowed, where fetch.parallel allows them.
const leastPerHost = 4

// perHost is how many sessions there may be with one provider's host: a quarter of all, so that a provider that
// hangs can't take all places, and none sees this box come with everything at once.
func perHost(s *settings.Settings) int {
	return min(max(leastPerHost, s.Fetch.Parallel/4), s.Fetch.Parallel)
}
