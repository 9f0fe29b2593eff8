package settings

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Size is a number of octets, written with its unit.
type Size uint64

// sizeUnits are the units of a size, the largest first.
var sizeUnits = []struct {
	name   string
	octets Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes the size as a person would: in the largest unit that leaves a whole number, else in octets.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s > 0 && s%unit.octets == 0 {
			return strconv.FormatUint(uint64(s/unit.octets), 10) + unit.name
		}
	}
	return strconv.FormatUint(uint64(s), 10) + " octets"
}

// size is the form of a size between two bounds, each a whole number of KiB.
func size(least, most Size) form[Size] {
	return form[Size]{
		words: fmt.Sprintf("a size, `%q` to `%q`", least, most),
		parse: func(text string) (Size, *fault) { return parseSize(text, least, most) },
		show:  Size.String,
	}
}

// sizeText is a number and what stands behind it, whether that is a unit or not.
var sizeText = regexp.MustCompile(`^([0-9]+)(\.[0-9]+)? *([A-Za-z]*)$`)

func parseSize(text string, least, most Size) (Size, *fault) {
	notOne := wrong("%s is not a size", quote(text))
	parts := sizeText.FindStringSubmatch(text)
	if parts == nil {
		return 0, notOne.better(`write a whole number with its unit (KiB, MiB, GiB), such as "500KiB" or "100MiB"`)
	}
	number, fraction, unit := parts[1], parts[2], parts[3]
	octets, near := unitOf(unit)
	switch {
	case unit == "":
		return 0, notOne.better(`it has no unit: write "%[1]sKiB", "%[1]sMiB" or "%[1]sGiB"`, shorten(number))
	case octets == 0 && near != "":
		return 0, notOne.better("write %q: 1 MiB is 1,048,576 octets", shorten(number+fraction)+near)
	case octets == 0:
		return 0, notOne.better(`its unit is none of KiB, MiB, GiB`)
	case fraction != "":
		return 0, notOne.better(`write a whole number, in a smaller unit: "1536KiB" for 1.5 MiB`)
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n > math.MaxUint64/uint64(octets) {
		n = math.MaxUint64 / uint64(octets) // more than any bound
	}
	s := Size(n) * octets
	bounds := fmt.Sprintf("write %s to %s", least, most)
	switch {
	case s < least:
		return 0, wrong("%s is less than %s", quote(text), least).better("%s", bounds)
	case s > most:
		return 0, wrong("%s is more than %s", quote(text), most).better("%s", bounds)
	}
	return s, nil
}

// unitOf gives the octets of a unit; for one that is almost a unit, its name.
func unitOf(text string) (octets Size, near string) {
	for _, unit := range sizeUnits {
		if text == unit.name {
			return unit.octets, ""
		}
		first := unit.name[:1]
		for _, other := range []string{unit.name, first, first + "B"} {
			if strings.EqualFold(text, other) {
				near = unit.name
			}
		}
	}
	return 0, near
}
