package relay

import (
	"bytes"
	"errors"
	"io"
)

// errBare stops a mail that the next server could read as two.
var errBare = errors.New("a CR or LF that isn't half of CRLF")

// guard lets octets through as long as each CR and LF of them is half of CRLF. Intake takes in nothing else: this is for what comes
// into the queue by other ways.
type guard struct {
	w  io.Writer
	cr bool // the last octet was CR
}

func (g *guard) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if g.cr {
			if rest[0] != '\n' {
				return 0, errBare
			}
			g.cr, rest = false, rest[1:]
			continue
		}
		lf := bytes.IndexByte(rest, '\n')
		line := rest
		if lf >= 0 {
			line = rest[:lf]
		}
		switch cr := bytes.IndexByte(line, '\r'); {
		case cr < 0 && lf < 0:
			rest = nil
		case cr < 0 || cr != len(line)-1: // LF alone, or a CR before something else
			return 0, errBare
		default:
			g.cr, rest = true, rest[cr+1:]
		}
	}
	return g.w.Write(p)
}
