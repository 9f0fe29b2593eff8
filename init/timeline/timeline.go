// Package timeline measures where the time of a boot goes.
package timeline

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Timeline is a set of steps, which may overlap.
type Timeline struct {
	start time.Time

	mu    sync.Mutex // guards what follows
	steps []*step
}

type step struct {
	name       string
	begin, end time.Duration // since the start; end 0: it is under way
}

// New begins a timeline.
func New(start time.Time) *Timeline { return &Timeline{start: start} }

// Begin begins a step; the function that it gives ends it.
func (t *Timeline) Begin(name string) (end func()) {
	s := &step{name: name, begin: time.Since(t.start)}
	t.mu.Lock()
	t.steps = append(t.steps, s)
	t.mu.Unlock()
	return func() {
		at := time.Since(t.start)
		t.mu.Lock()
		s.end = max(at, 1)
		t.mu.Unlock()
	}
}

// Print writes a table of all steps that have ended, with a bar each; total is where the bars end.
func (t *Timeline) Print(w io.Writer, total time.Duration) {
	t.mu.Lock()
	var steps []step
	for _, s := range t.steps {
		if s.end > 0 {
			steps = append(steps, *s)
		}
	}
	t.mu.Unlock()
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.begin, b.begin) })
	width := 0
	for _, s := range steps {
		width = max(width, len(s.name))
	}
	fmt.Fprintf(w, "  from ms   to ms      ms\n")
	for _, s := range steps {
		fmt.Fprintf(w, "%9d %7d %7d  %-*s  %s\n", s.begin.Milliseconds(), s.end.Milliseconds(),
			(s.end - s.begin).Milliseconds(), width, s.name, bar(s, total))
	}
}

const barWidth = 40 // characters

// bar draws where in the whole a step is.
func bar(s step, total time.Duration) string {
	if total <= 0 {
		return ""
	}
	at := func(d time.Duration) int { return int(min(d, total) * barWidth / total) }
	from, to := at(s.begin), at(s.end)
	return strings.TrimRight(strings.Repeat(" ", from)+strings.Repeat("#", max(1, to-from)), " ")
}
