package powercut

import (
	"fmt"

	"postroom/tests/passthrough"
)

// Event is one change that the kernel passed on, or a sync. Paths are relative to the recorded folder, as they were
// then.
type Event struct {
	Op     passthrough.Op
	File   uint64 // which file or folder, for ever; 0 in what changes names of what is there already
	Path   string
	To     string // Rename, Link: the new name
	Mode   uint32 // Create, Mkdir: permissions
	Offset int64
	Length int64 // Write, Allocate, Punch; Truncate: the new size
	Data   []byte
	After  string // SyncDir: the last change of a name in the folder, as "rename a b"; empty: none was
}

func (e Event) String() string {
	switch e.Op {
	case passthrough.Write, passthrough.Punch, passthrough.Allocate:
		return fmt.Sprintf("%v %s at %d, %d octets", e.Op, e.Path, e.Offset, e.Length)
	case passthrough.Truncate:
		return fmt.Sprintf("%v %s to %d", e.Op, e.Path, e.Length)
	case passthrough.Rename, passthrough.Link:
		return fmt.Sprintf("%v %s %s", e.Op, e.Path, e.To)
	}
	return fmt.Sprintf("%v %s", e.Op, e.Path)
}

// Recording is what happened to a folder: how it was, then each event in order.
type Recording struct {
	Base   *Tree
	Events []Event
}
