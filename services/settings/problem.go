package settings

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Problem is one thing that is wrong in a settings file. No part of it holds a secret.
type Problem struct {
	File  string
	Line  int    // from 1; 0 where no line is to blame
	Path  string // "pop3.hold", "provider.host", "[pop3]"; empty where no setting is to blame
	Wrong string // what is wrong
	Right string // what would be right, where Wrong doesn't say it already
}

// String is one line: postroom.toml:7: pop3.hold: "1h" is more than 5m; write 1s to 5m
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	for _, part := range []string{p.Path, p.Wrong} {
		if part != "" {
			b.WriteString(": ")
			b.WriteString(part)
		}
	}
	if p.Right != "" {
		b.WriteString("; ")
		b.WriteString(p.Right)
	}
	return b.String()
}

// Invalid is the error of a settings file that was refused: everything that is wrong with it, by line.
type Invalid struct{ Problems []Problem }

// Error gives a line a problem.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what a file of another kind altogether can make us say.
const maxProblems = 100

// A report collects problems.
type report struct {
	file     string
	problems []Problem
}

func (r *report) add(line int, path string, f *fault) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{r.file, line, path, f.wrong, f.right})
	}
}

// err is nil, or an *Invalid with the problems in the order of their lines.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Invalid{r.problems}
}

// A fault is a problem that doesn't know its place yet.
type fault struct{ wrong, right string }

func wrong(format string, args ...any) *fault {
	return &fault{wrong: fmt.Sprintf(format, args...)}
}

// better says what would be right.
func (f *fault) better(format string, args ...any) *fault {
	f.right = fmt.Sprintf(format, args...)
	return f
}

const maxQuoted = 60 // octets of outside text in a message

// quote shows outside text in a message, cut short.
func quote(text string) string {
	if len(text) <= maxQuoted {
		return strconv.Quote(text)
	}
	end := maxQuoted
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strconv.Quote(text[:end] + "…")
}
