package pid1

import (
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// consoles are the terminals that the kernel writes to, too.
type consoles struct {
	all []*os.File
	log io.Writer // the serial one, where there is one
}

// openConsoles opens those that the kernel's command line names and that are there.
func openConsoles() consoles {
	var c consoles
	active, _ := os.ReadFile("/sys/class/tty/console/active") // without it: /dev/console
	for _, name := range strings.Fields(string(active)) {
		f, err := openTerminal("/dev/" + name)
		if err != nil {
			continue
		}
		c.all = append(c.all, f)
		if c.log == nil && strings.HasPrefix(name, "ttyS") {
			c.log = terminal{f}
		}
	}
	if len(c.all) == 0 {
		if f, err := openTerminal("/dev/console"); err == nil {
			c.all = append(c.all, f)
		}
	}
	switch {
	case c.log != nil:
	case len(c.all) > 0:
		c.log = terminal{c.all[0]}
	default:
		c.log = io.Discard
	}
	return c
}

func openTerminal(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|unix.O_NOCTTY, 0)
}

// Write writes to all of them. It waits for slow ones.
func (c consoles) Write(p []byte) (int, error) {
	var errs []error
	for _, f := range c.all {
		_, err := terminal{f}.Write(p)
		errs = append(errs, err)
	}
	return len(p), errors.Join(errs...)
}

// A terminal shows text from outside, too: what isn't printable is replaced, so that it can't command the terminal.
type terminal struct{ to io.Writer }

func (t terminal) Write(p []byte) (int, error) {
	text := strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || c >= ' ' && c < 0x7f || c > 0xa0 && c != '\ufffd' {
			return c
		}
		return '?'
	}, string(p))
	if _, err := io.WriteString(t.to, text); err != nil {
		return 0, err
	}
	return len(p), nil
}
