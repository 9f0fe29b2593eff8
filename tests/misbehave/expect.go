package misbehave

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Expect is what must hold in the end. A line each; the first four have to be there, the others are 0:
//
//	lost 0                    mails that the client never got, and the provider has no longer
//	wrong 0                   mails that the client got, and the provider never held
//	doubled 0                 mails that the client got more often than the provider held them
//	provider keeps nothing    or everything, or the mails' names
//	marked 1                  mails that the client got, and whose verdict has a remark
//	notices 1                 Postroom's own, in place of mails
//
// Behind a count other than 0 stands why nobody can know better: in words that ARCHITECTURE.md has.
type Expect struct {
	Lost, Wrong, Doubled, Marked, Notices int
	Reasons                               []string
	Keeps                                 []string // names
	KeepsAll                              bool
}

var count = regexp.MustCompile(`^(lost|wrong|doubled|marked|notices) (\d+)(?:: (.+))?$`)

func (e *Expect) parse(lines []string) error {
	missing := map[string]bool{"lost": true, "wrong": true, "doubled": true, "provider": true}
	for _, line := range lines {
		if keeps, ok := strings.CutPrefix(line, "provider keeps "); ok {
			delete(missing, "provider")
			switch keeps {
			case "nothing":
			case "everything":
				e.KeepsAll = true
			default:
				e.Keeps = strings.Split(keeps, ", ")
			}
			continue
		}
		m := count.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("%q: not understood", line)
		}
		n, _ := strconv.Atoi(m[2])
		if reason := n > 0 && m[1] != "marked" && m[1] != "notices"; reason != (m[3] != "") {
			return fmt.Errorf("%q: a reason belongs to a count other than 0, and to no other", line)
		}
		switch m[1] {
		case "lost":
			e.Lost = n
		case "wrong":
			e.Wrong = n
		case "doubled":
			e.Doubled = n
		case "marked":
			e.Marked = n
		case "notices":
			e.Notices = n
		}
		if m[3] != "" {
			e.Reasons = append(e.Reasons, m[3])
		}
		delete(missing, m[1])
	}
	for what := range missing {
		return fmt.Errorf("nothing is said of %q", what)
	}
	return nil
}
