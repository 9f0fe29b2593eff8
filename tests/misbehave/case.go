// Package misbehave is a provider for tests that misbehaves by script. What goes wrong at it stands in cases: a file each,
// in txtar's form, that says what the provider holds, what it does otherwise than a healthy one, and what has to come of it.
//
//	The fault; the rule that it breaks; what comes of it elsewhere.
//	-- mail NAME --          a mail, its lines ended by CRLF; without any, the provider holds those of testdata/mails.txtar
//	-- mails --              mails that are made: see mails.go
//	-- provider --           what it is like in all sessions: see nature.go
//	-- session 2 --          what it does in its 2nd session (0 is the login of enrolment; also "sessions 1-3",
//	-- every session --      "every session"): see script.go
//	-- expect --             what must hold in the end: see expect.go
//
// Whatever a case doesn't say is as at a healthy provider. A case that doesn't say what CAPA offers is played twice, with
// PIPELINING and without.
package misbehave

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// Case is one fault, or several that belong together.
type Case struct {
	Name  string
	About string

	mails   []*mail // all that it names, in its order
	nature  nature
	scripts []*script
	Expect  Expect
}

// Load reads the cases of a folder, in the order of their names, and the mails beside them.
func Load(dir fs.FS) ([]*Case, error) {
	usual, err := read(dir, "mails.txtar")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(dir, "cases/*.txtar")
	if err != nil {
		return nil, err
	}
	var cases []*Case
	for _, name := range names {
		a, err := read(dir, name)
		if err != nil {
			return nil, err
		}
		c, err := parse(a, usual)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.Name = strings.TrimSuffix(path.Base(name), ".txtar")
		cases = append(cases, c)
	}
	return cases, nil
}

func read(dir fs.FS, name string) (*txtar.Archive, error) {
	b, err := fs.ReadFile(dir, name)
	if err != nil {
		return nil, err
	}
	return txtar.Parse(b), nil
}

// span is a section's heading: session 2, sessions 1-3.
var span = regexp.MustCompile(`^sessions? (\d+)(?:-(\d+))?$`)

// sessions reads a heading's numbers; without the second it's one session.
func sessions(from, to string) (first, last int, err error) {
	if first, err = strconv.Atoi(from); err != nil || to == "" {
		return first, first, err
	}
	if last, err = strconv.Atoi(to); err == nil && last < first {
		err = fmt.Errorf("there are no such sessions")
	}
	return first, last, err
}

// parse reads one case; usual are the mails of a case that has none of its own.
func parse(a, usual *txtar.Archive) (*Case, error) {
	c := &Case{About: strings.TrimSpace(string(a.Comment)), nature: healthy}
	if c.About == "" {
		return nil, fmt.Errorf("it doesn't say what the fault is")
	}
	expected := false
	for _, f := range a.Files {
		lines := linesOf(f.Data)
		var err error
		kind, name, _ := strings.Cut(f.Name, " ")
		switch m := span.FindStringSubmatch(f.Name); {
		case kind == "mail":
			c.mails = append(c.mails, &mail{name: name, uidl: name, octets: crlf(f.Data)})
		case f.Name == "mails":
			c.mails, err = makeMails(lines, c.mails)
		case f.Name == "provider":
			err = c.nature.parse(lines)
		case f.Name == "every session":
			err = c.script(lines, 1, forever)
		case m != nil:
			var first, last int
			if first, last, err = sessions(m[1], m[2]); err == nil {
				err = c.script(lines, first, last)
			}
		case f.Name == "expect":
			expected = true
			err = c.Expect.parse(lines)
		default:
			err = fmt.Errorf("not understood")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if !expected {
		return nil, fmt.Errorf("it doesn't say what to expect")
	}
	if len(c.mails) == 0 {
		for _, f := range usual.Files {
			c.mails = append(c.mails, &mail{name: f.Name, uidl: f.Name, octets: crlf(f.Data)})
		}
	}
	return c, c.check()
}

// check looks whether every name is that of a mail.
func (c *Case) check() error {
	names := slices.Clone(c.Expect.Keeps)
	for _, s := range c.scripts {
		for _, e := range s.events {
			names = append(names, e.mail, e.other)
		}
		for _, x := range s.exchanges {
			for _, step := range x.steps {
				if step.word == "S<" && !strings.HasPrefix(step.text, "number ") {
					names = append(names, step.text)
				}
			}
		}
	}
	for _, name := range names {
		if name != "" && c.mail(name) == nil {
			return fmt.Errorf("there is no mail %q", name)
		}
	}
	return nil
}

func (c *Case) mail(name string) *mail {
	for _, m := range c.mails {
		if m.name == name {
			return m
		}
	}
	return nil
}

// Sessions is how many sessions the case speaks of by number, that of enrolment not counted.
func (c *Case) Sessions() int {
	most := 0
	for _, s := range c.scripts {
		if s.last != forever {
			most = max(most, s.last)
		}
	}
	return most
}

// Offers gives what CAPA says in each way that the case is to be played; nil: nothing is offered.
func (c *Case) Offers() map[string][]string {
	if c.nature.offers != nil {
		return map[string][]string{"": *c.nature.offers}
	}
	return map[string][]string{
		"lock-step": {"USER", "TOP", "UIDL"},
		"pipelined": {"USER", "TOP", "UIDL", "PIPELINING"},
	}
}

// linesOf gives the lines of a section that say something.
func linesOf(b []byte) (lines []string) {
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func crlf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }
