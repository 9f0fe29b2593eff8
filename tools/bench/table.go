package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// series is one figure, once a round.
type series []float64

func (s series) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// over gives the ratios to another figure, round by round: what else the machine did in a round slowed both.
func (s series) over(other series) series {
	ratios := make(series, 0, len(s))
	for i := range s {
		ratios = append(ratios, s[i]/other[i])
	}
	return ratios
}

// spread is the lowest and the highest, as text.
func (s series) spread(format string) string {
	return fmt.Sprintf(format+"–"+format, slices.Min(s), slices.Max(s))
}

// table prints aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(title string, columns ...string) table {
	fmt.Printf("\n%s\n\n", title)
	t := table{tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', tabwriter.AlignRight)}
	t.row(columns...)
	return t
}

func (t table) row(cells ...string) {
	io.WriteString(t.w, strings.Join(cells, "\t")+"\t\n") // its error is told by Flush
}

func (t table) end() error { return t.w.Flush() }
