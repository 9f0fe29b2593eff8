package main

import (
	"strings"
	"time"
)

// durations is a flag's list of times, with commas between them.
type durations []time.Duration

func (d *durations) String() string {
	var parts []string
	for _, one := range *d {
		parts = append(parts, one.String())
	}
	return strings.Join(parts, ",")
}

func (d *durations) Set(text string) error {
	*d = nil
	for part := range strings.SplitSeq(text, ",") {
		one, err := time.ParseDuration(part)
		if err != nil {
			return err
		}
		*d = append(*d, one)
	}
	return nil
}
