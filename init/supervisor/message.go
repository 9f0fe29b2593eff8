package supervisor

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxStatus = 256       // octets of a STATUS= that are kept
	maxExtend = time.Hour // for one EXTEND_TIMEOUT_USEC=
)

// A message is what one datagram to NOTIFY_SOCKET says (sd_notify(3)); assignments that the
// supervisor doesn't know mean nothing.
type message struct {
	ready, stopping, watchdog bool

	extend    time.Duration // EXTEND_TIMEOUT_USEC: the start or stop may take so long from now on
	status    string        // for people: printable, at most maxStatus octets
	hasStatus bool
}

func parseMessage(datagram []byte) (m message) {
	for line := range bytes.SplitSeq(datagram, []byte{'\n'}) {
		key, value, _ := strings.Cut(string(line), "=")
		switch key {
		case "READY":
			m.ready = m.ready || value == "1"
		case "STOPPING":
			m.stopping = m.stopping || value == "1"
		case "WATCHDOG":
			m.watchdog = m.watchdog || value == "1"
		case "EXTEND_TIMEOUT_USEC":
			if us, err := strconv.ParseUint(value, 10, 64); err == nil {
				m.extend = time.Duration(min(us, uint64(maxExtend/time.Microsecond))) * time.Microsecond
			}
		case "STATUS":
			m.status, m.hasStatus = printable(value), true
		}
	}
	return m
}

// printable makes a text from a service fit for a terminal.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, text) // also makes it valid UTF-8
	if len(text) <= maxStatus {
		return text
	}
	return strings.ToValidUTF8(text[:maxStatus], "")
}
