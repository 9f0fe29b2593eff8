package command

import (
	"fmt"
	"io"
	"os"
)

// progress is a line on a terminal that is written over and over; nil shows nothing.
type progress struct{ to io.Writer }

// newProgress gives a progress line on w where that is a terminal.
func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); !ok || !isTerminal(f) {
		return nil
	}
	return &progress{w}
}

// eraseLine goes to the line's beginning and erases it (ECMA-48 EL).
const eraseLine = "\r\x1b[K"

func (p *progress) show(text string) {
	if p != nil {
		fmt.Fprint(p.to, eraseLine+text)
	}
}

func (p *progress) end() { p.show("") }
