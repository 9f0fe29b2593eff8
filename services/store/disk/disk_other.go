//go:build !linux

package disk

import "errors"

// Sync is fsync(2).
func (f file) Sync() error { return f.File.Sync() }

func (f file) Punch(offset, length int64) error { return errors.ErrUnsupported }

func (OS) Free(name string) (free, size uint64, err error) { return 0, 0, errors.ErrUnsupported }
