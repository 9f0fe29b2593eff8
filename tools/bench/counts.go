package main

import (
	"fmt"
	"strconv"
	"strings"
)

// counts is a flag's list of numbers from 1 on, with commas between them.
type counts []int

func (c *counts) String() string {
	var parts []string
	for _, n := range *c {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ",")
}

func (c *counts) Set(text string) error {
	*c = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number from 1 on", part)
		}
		*c = append(*c, n)
	}
	return nil
}
