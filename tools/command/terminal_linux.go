package command

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// withoutEcho has a terminal show nothing of what is typed while do runs.
func withoutEcho(f *os.File, do func() error) error {
	before, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &silent); err != nil {
		return err
	}
	return errors.Join(do(), unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, before))
}
