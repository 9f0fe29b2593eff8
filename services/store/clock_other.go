//go:build !linux

package store

import "time"

var began = time.Now()

func runningTime() time.Duration { return time.Since(began) }
