package powercut

import "fmt"

// Op is a kind of change, or a sync.
type Op uint8

// The kinds of events.
const (
	Create Op = iota + 1
	Mkdir
	Link
	Rename
	Remove // of a file or a folder
	Write
	Truncate
	Allocate // room, and where it says so a larger size
	Punch
	SyncFile
	SyncDir
)

var opNames = map[Op]string{
	Create: "create", Mkdir: "mkdir", Link: "link", Rename: "rename", Remove: "remove", Write: "write",
	Truncate: "truncate", Allocate: "allocate", Punch: "punch", SyncFile: "sync", SyncDir: "syncdir",
}

func (o Op) String() string { return opNames[o] }

// Event is one change that the kernel passed on, or a sync. Paths are relative to the recorded folder, as they were
// then.
type Event struct {
	Op     Op
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
	case Write, Punch, Allocate:
		return fmt.Sprintf("%v %s at %d, %d octets", e.Op, e.Path, e.Offset, e.Length)
	case Truncate:
		return fmt.Sprintf("%v %s to %d", e.Op, e.Path, e.Length)
	case Rename, Link:
		return fmt.Sprintf("%v %s %s", e.Op, e.Path, e.To)
	}
	return fmt.Sprintf("%v %s", e.Op, e.Path)
}

// Recording is what happened to a folder: how it was, then each event in order.
type Recording struct {
	Base   *Tree
	Events []Event
}
