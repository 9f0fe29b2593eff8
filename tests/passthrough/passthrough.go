// Package passthrough is a file system over a folder that passes each call on, by way of a layer that may record it or have it
// fail. A program that uses it sees a folder like any other.
//
// A write is passed on before it returns (there is no write-back cache), and files can be mapped to be read; what is written
// through a map would not be seen in time. The program must be another process than this one, for a page fault in a file that
// this process maps would wait for this process. Nobody else may change the folder below.
package passthrough

import "syscall"

// Layer has a call passed on, or not, and gives what the program gets of it. What pass finds is in the call then: Ino of what
// was made, Length of what was written. Calls come from many goroutines at once.
type Layer func(call *Call, pass func() syscall.Errno) syscall.Errno

// Op is a kind of call.
type Op uint8

// The kinds. What makes no sense for a layer yet is refused, so that nothing passes by unseen.
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
	SyncFile // it ends at the layer, as SyncDir does: what is below need not last
	SyncDir
	Read
)

var opNames = map[Op]string{
	Create: "create", Mkdir: "mkdir", Link: "link", Rename: "rename", Remove: "remove", Write: "write",
	Truncate: "truncate", Allocate: "allocate", Punch: "punch", SyncFile: "sync", SyncDir: "syncdir", Read: "read",
}

func (o Op) String() string { return opNames[o] }

// Call is one call. Paths are relative to the folder, which is "." itself; of an open file, as it was opened.
type Call struct {
	Op     Op
	Ino    uint64 // inode of the file or folder; 0 in what changes names of what is there already
	Path   string
	To     string // Rename, Link: the new name
	Mode   uint32 // Create, Mkdir: permissions
	Offset int64
	Length int64  // Write, Allocate, Punch, Read; Truncate: the new size
	Data   []byte // Write: good until the call is over
}
