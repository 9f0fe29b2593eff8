package misbehave

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// script is what the provider does otherwise than usual in some of its sessions, as a dialogue. In front, what happened to the
// mailbox since the session before:
//
//	mailbox: NAME arrives           a mail that wasn't there so far
//	mailbox: NAME is gone           somebody else deleted it
//	mailbox: NAME is back           it's listed again
//	mailbox: NAME becomes OTHER     the same mail, with other octets
//
// Then exchanges. In any order, whenever the client sends such a line, the provider does what stands below it:
//
//	C: RETR 2        what the client sends; a * at the end stands for anything. (connects): nothing yet
//	S: text          this line; {size NAME} in it is that mail's size
//	S" text"         these octets, written as in Go
//	S< NAME          that mail, dots stuffed, and the final dot; "number 2" is the mail of that number in this session
//	AS USUAL         the healthy reply, and what it stands for: a mail marked, or marked ones deleted
//	DELETE           what DELE marked is deleted
//	SLOWLY 5ms       from here on, each octet by itself, so far apart
//	LATE 1s          waits
//	NO TLS           octets that are none of TLS, below it
//	SILENT           nothing more, until the client leaves
//	CUT              ends the connection
//
// S< and AS USUAL may send a part: `up to "octets, written as in Go"`, the first of them, themselves included;
// `up to octet 40`; `but the last 3`.
type script struct {
	first, last int // sessions
	events      []event
	exchanges   []*exchange
}

const forever = math.MaxInt

type event struct{ mail, what, other string }

// exchange is a line of the client and what the provider does then.
type exchange struct {
	pattern string // empty: the client connects
	steps   []step
}

// step is one thing that the provider does.
type step struct {
	word string // as above
	text string // octets, a line, or a mail's name
	part part
	wait time.Duration
}

// part is which octets of a reply are sent. The zero value: all.
type part struct {
	upTo  string // the first of these octets, themselves included
	first int    // so many
	last  int    // all but so many
}

func (c *Case) script(lines []string, first, last int) error {
	s := &script{first: first, last: last}
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "mailbox:":
			e, err := parseEvent(rest)
			if err != nil {
				return err
			}
			s.events = append(s.events, e)
		case word == "C:":
			if rest == "(connects)" {
				rest = ""
			}
			s.exchanges = append(s.exchanges, &exchange{pattern: rest})
		case len(s.exchanges) == 0:
			return fmt.Errorf("%q: in front of the first line of the client", line)
		default:
			step, err := parseStep(line)
			if err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			x := s.exchanges[len(s.exchanges)-1]
			x.steps = append(x.steps, step)
		}
	}
	c.scripts = append(c.scripts, s)
	return nil
}

var eventLine = regexp.MustCompile(`^(\w+) (arrives|is gone|is back|becomes)(?: (\w+))?$`)

func parseEvent(text string) (event, error) {
	m := eventLine.FindStringSubmatch(text)
	if m == nil || (m[2] == "becomes") != (m[3] != "") {
		return event{}, fmt.Errorf("mailbox: %q: not understood", text)
	}
	return event{m[1], m[2], m[3]}, nil
}

var (
	stepLine = regexp.MustCompile(`^(S:|S"|S<|AS USUAL|DELETE|SLOWLY|LATE|NO TLS|SILENT|CUT)(?: (.*))?$`)
	partLine = regexp.MustCompile(`^(.*?) ?(?:up to (".*")|up to octet (\d+)|but the last (\d+))$`)
)

func parseStep(line string) (step, error) {
	m := stepLine.FindStringSubmatch(line)
	if m == nil {
		return step{}, fmt.Errorf("not understood")
	}
	s := step{word: m[1], text: m[2]}
	var err error
	switch s.word {
	case `S"`:
		s.text, err = strconv.Unquote(`"` + s.text)
	case "S<", "AS USUAL":
		if p := partLine.FindStringSubmatch(s.text); p != nil {
			s.text = p[1]
			switch {
			case p[2] != "":
				s.part.upTo, err = strconv.Unquote(p[2])
			case p[3] != "":
				s.part.first, err = strconv.Atoi(p[3])
			default:
				s.part.last, err = strconv.Atoi(p[4])
			}
			if err == nil && s.part == (part{}) {
				err = fmt.Errorf("a part of no octets")
			}
		}
		if err == nil && (s.text == "") != (s.word == "AS USUAL") {
			return s, fmt.Errorf("not understood")
		}
	case "SLOWLY", "LATE":
		s.wait, err = time.ParseDuration(s.text)
	case "S:":
	default:
		if s.text != "" {
			return s, fmt.Errorf("not understood")
		}
	}
	return s, err
}

func (x *exchange) matches(line string) bool {
	if prefix, open := strings.CutSuffix(x.pattern, "*"); open {
		return strings.HasPrefix(line, prefix)
	}
	return line == x.pattern
}

// of gives the part of a reply; ok is false where there is no such part.
func (p part) of(reply []byte) (sent []byte, ok bool) {
	switch {
	case p.upTo != "":
		before, _, ok := bytes.Cut(reply, []byte(p.upTo))
		if !ok {
			return nil, false
		}
		return reply[:len(before)+len(p.upTo)], true
	case p.first > 0:
		return reply[:min(p.first, len(reply))], p.first < len(reply)
	}
	return reply[:max(0, len(reply)-p.last)], p.last < len(reply)
}
