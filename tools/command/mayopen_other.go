//go:build !linux

package command

import (
	"errors"
	"fmt"
)

func mayOpen(dir string) error {
	return fmt.Errorf("open the store %q: %w on this system; ask the box", dir, errors.ErrUnsupported)
}
