//go:build !linux

package engine

import "errors"

// ErrLocked says that another process has the store open.
var ErrLocked = errors.New("another process has the store open")

func lock(string) (unlock func() error, err error) { return nil, errors.ErrUnsupported }
