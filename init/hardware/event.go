// Package hardware learns from the kernel what devices there are, and loads the modules for them.
package hardware

import (
	"bytes"
	"strings"
)

// An Event says that a device came, went or changed (the kernel's uevent).
type Event struct {
	Action    string // "add", "remove", "change", "bind", …
	Path      string // below /sys
	Subsystem string // "pci", "block", "net", …
	Modalias  string // what modules are asked for by; may be empty
}

// parseEvent reads "add@/devices/…" and the variables behind it, each ended by NUL.
func parseEvent(message []byte) (Event, bool) {
	head, rest, _ := bytes.Cut(message, []byte{0})
	action, path, ok := strings.Cut(string(head), "@")
	if !ok || action == "" || !strings.HasPrefix(path, "/") {
		return Event{}, false // of udev, with a header of its own, or of nobody known
	}
	e := Event{Action: action, Path: path}
	for _, variable := range bytes.Split(rest, []byte{0}) {
		switch name, value, _ := strings.Cut(string(variable), "="); name {
		case "SUBSYSTEM":
			e.Subsystem = value
		case "MODALIAS":
			e.Modalias = value
		}
	}
	return e, true
}
