package settings

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 8760 * time.Hour
)

// duration is the form of a length of time between two bounds.
func duration(least, most time.Duration) form[time.Duration] {
	return form[time.Duration]{
		words: fmt.Sprintf("a duration, `%q` to `%q`", showDuration(least), showDuration(most)),
		parse: func(text string) (time.Duration, *fault) { return parseDuration(text, least, most) },
		show:  showDuration,
	}
}

// durationOrNone is duration, or "0s" for none.
func durationOrNone(least, most time.Duration) form[time.Duration] {
	f := duration(least, most)
	f.words += ", or `\"0s\"`"
	f.parse = func(text string) (time.Duration, *fault) {
		d, fault := parseDuration(text, 0, most)
		if fault == nil && d > 0 && d < least {
			fault = wrong("%s is less than %s", quote(text), showDuration(least)).
				better(`write "0s" for none, or %s to %s`, showDuration(least), showDuration(most))
		}
		return d, fault
	}
	return f
}

func parseDuration(text string, least, most time.Duration) (time.Duration, *fault) {
	bounds := fmt.Sprintf("write %s to %s", showDuration(least), showDuration(most))
	d, err := time.ParseDuration(text)
	if err != nil {
		f := wrong("%s is not a duration", quote(text))
		if n, days := daysOf(text); days {
			return 0, f.better("write days in hours: %q", showDuration(n))
		}
		if _, err := strconv.ParseUint(text, 10, 31); err == nil && text != "" {
			return 0, f.better("it has no unit: write \"%[1]ss\", \"%[1]sm\" or \"%[1]sh\"", text)
		}
		return 0, f.better(`write a number with its unit (s, m, h), such as "90s", "5m" or "336h"`)
	}
	switch {
	case d < least:
		return 0, wrong("%s is less than %s", quote(text), showDuration(least)).better("%s", bounds)
	case d > most:
		return 0, wrong("%s is more than %s", quote(text), showDuration(most)).better("%s", bounds)
	}
	return d, nil
}

// daysOf reads "14d", which Go's durations don't know.
func daysOf(text string) (time.Duration, bool) {
	number, ok := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(number, 10, 15)
	return time.Duration(n) * day, ok && err == nil
}

// showDuration leaves out the zeros that time.Duration's own form ends in: 336h, not 336h0m0s.
func showDuration(d time.Duration) string {
	s := d.String()
	if cut, ok := strings.CutSuffix(s, "m0s"); ok {
		s = cut + "m"
	}
	if cut, ok := strings.CutSuffix(s, "h0m"); ok {
		s = cut + "h"
	}
	return s
}
