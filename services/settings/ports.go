package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A PortRange is the ports from First to Last; a single one is both.
type PortRange struct{ First, Last uint16 }

// Contains says whether port is in the range.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// literal is the range as TOML.
func (r PortRange) literal() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%d-%d", r.First, r.Last))
}

// ports binds a list of ports: numbers, and ranges as text.
type ports struct{ field *[]PortRange }

func (v ports) set(e *entry, path string, r *report) {
	if !isList(e, path, r) {
		return
	}
	before, ranges := len(r.problems), make([]PortRange, 0, len(e.items))
	for _, item := range e.items {
		one, f := parsePorts(item)
		for _, other := range ranges {
			if f == nil && one.First <= other.Last && other.First <= one.Last {
				f = wrong("%s is in %s already", one.literal(), other.literal())
			}
		}
		if f != nil {
			r.add(item.line, path, f)
			continue
		}
		ranges = append(ranges, one)
	}
	if len(r.problems) == before {
		*v.field = ranges
	}
}

func parsePorts(e *entry) (PortRange, *fault) {
	switch e.kind {
	case numberKind:
		n := whole(e.text)
		if n < 1 || n > math.MaxUint16 {
			return PortRange{}, wrong("%s is not a port", shorten(e.text)).better("write 1 to 65535")
		}
		return PortRange{uint16(n), uint16(n)}, nil
	case textKind:
		from, to, _ := strings.Cut(e.text, "-")
		first, err1 := strconv.ParseUint(from, 10, 16)
		if last, err2 := strconv.ParseUint(to, 10, 16); err1 == nil && err2 == nil && 0 < first && first < last {
			return PortRange{uint16(first), uint16(last)}, nil
		}
		f := wrong("%s is not a range of ports", quote(e.text)).better(`write it as "1024-65535"`)
		if err1 == nil && from == e.text {
			f.better("write %d, without quotes", first)
		}
		return PortRange{}, f
	}
	return PortRange{}, wrong("holds %s where a port is wanted", kindWords[e.kind])
}

func (v ports) literal() string {
	shown := make([]string, len(*v.field))
	for i, r := range *v.field {
		shown[i] = r.literal()
	}
	return "[" + strings.Join(shown, ", ") + "]"
}

func (v ports) values() string {
	return "a list: port numbers, and ranges such as `\"1024-65535\"`"
}
