package schedule

import "container/heap"

// queue holds the entries that are to be fetched, the one that is due first on top.
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

// place puts an entry where its due time belongs, or takes it out.
func (q *queue) place(e *entry, in bool) {
	switch {
	case !in && e.index >= 0:
		heap.Remove(q, e.index)
	case in && e.index >= 0:
		heap.Fix(q, e.index)
	case in:
		heap.Push(q, e)
	}
}
