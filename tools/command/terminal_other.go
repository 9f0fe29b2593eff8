//go:build !linux

package command

import (
	"errors"
	"fmt"
	"os"
)

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// withoutEcho would have a terminal show nothing of what is typed: not known how on this system.
func withoutEcho(*os.File, func() error) error {
	return fmt.Errorf("a terminal that shows nothing (pipe it in): %w", errors.ErrUnsupported)
}
