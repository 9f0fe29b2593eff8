package powercut

import (
	"path"
	"slices"

	"postroom/tests/passthrough"
)

// Disk is a disk under a folder, as a cut of the power would find it: what is durable, and what is only in the
// kernel's memory. It is fed the events in order.
//
// The rules are POSIX's with what journalling file systems add and any program may rely on, no more:
//
//   - A sync of a file makes its octets and its size durable, not its name.
//   - A sync of a folder makes the names in it durable, and what they had been before; not the files' octets, and not the
//     folder's own name.
//   - What isn't synced may have reached the disk or not: each sector of 512 octets by itself, as any write left it, but
//     never half of a sector; a size as any change left it. What never reached the disk reads as zeros.
//   - Names change one by one, in any order that keeps the changes of one name in theirs. A rename happened or not: there is
//     never both names of it, or none.
type Disk struct {
	// Ignore, where set, has a sync do nothing: as if the program hadn't asked for it.
	Ignore func(Event) bool

	files   map[uint64]*file
	now     map[name]uint64 // as the kernel shows them
	durable map[name]uint64
	pending []nameChange
}

// name is an entry of a folder.
type name struct {
	dir  uint64
	base string
}

// nameChange is a change of one name, or by a rename of two.
type nameChange struct {
	names []name
	to    []uint64 // what each leads to then; 0: it is no more
}

type file struct {
	dir  bool
	mode uint32

	octets  []byte // as the kernel shows them
	durable []byte
	pending []octetChange
}

// octetChange is a change of octets [from, to), after which the file has size octets. data is nil for zeros.
type octetChange struct {
	from, to int64
	data     []byte
	size     int64
}

// NewDisk gives a disk that holds base, all of it durable.
func NewDisk(base *Tree) *Disk {
	d := &Disk{files: make(map[uint64]*file), now: make(map[name]uint64), durable: make(map[name]uint64)}
	for _, p := range base.paths() {
		n := base.Nodes[p]
		d.files[n.File] = &file{dir: n.Dir, mode: n.Mode, octets: slices.Clone(n.Data), durable: slices.Clone(n.Data)}
		if p != "." {
			k := d.name(p)
			d.now[k], d.durable[k] = n.File, n.File
		}
	}
	return d
}

// name gives the entry that a path leads to.
func (d *Disk) name(p string) name { return name{d.lookup(path.Dir(p)), path.Base(p)} }

func (d *Disk) lookup(p string) uint64 {
	if p == "." {
		return rootID
	}
	return d.now[d.name(p)]
}

// Apply takes the next event.
func (d *Disk) Apply(e Event) {
	switch e.Op {
	case passthrough.Create, passthrough.Mkdir:
		d.files[e.File] = &file{dir: e.Op == passthrough.Mkdir, mode: e.Mode}
		d.change([]name{d.name(e.Path)}, e.File)
	case passthrough.Link:
		d.change([]name{d.name(e.To)}, d.lookup(e.Path))
	case passthrough.Rename:
		d.change([]name{d.name(e.Path), d.name(e.To)}, 0, d.lookup(e.Path))
	case passthrough.Remove:
		d.change([]name{d.name(e.Path)}, 0)
	case passthrough.SyncDir:
		if d.Ignore == nil || !d.Ignore(e) {
			d.syncDir(e.File)
		}
	default:
		d.applyToFile(d.files[e.File], e)
	}
}

func (d *Disk) change(names []name, to ...uint64) {
	c := nameChange{names, to}
	c.apply(d.now)
	d.pending = append(d.pending, c)
}

func (c nameChange) apply(names map[name]uint64) {
	for i, n := range c.names {
		if c.to[i] == 0 {
			delete(names, n)
		} else {
			names[n] = c.to[i]
		}
	}
}

// syncDir makes the folder's names durable, and what the same names went through before.
func (d *Disk) syncDir(dir uint64) {
	kept := choose(d.pending, func(c nameChange) bool {
		return slices.ContainsFunc(c.names, func(n name) bool { return n.dir == dir })
	})
	var left []nameChange
	for i, c := range d.pending {
		if kept[i] {
			c.apply(d.durable)
		} else {
			left = append(left, c)
		}
	}
	d.pending = left
}

// choose gives which changes happened when those did that want says: with each, all that came before it to one of
// its names.
func choose(changes []nameChange, want func(nameChange) bool) []bool {
	kept := make([]bool, len(changes))
	needed := make(map[name]bool)
	for i, c := range slices.Backward(changes) {
		kept[i] = want(c) || slices.ContainsFunc(c.names, func(n name) bool { return needed[n] })
		if kept[i] {
			for _, n := range c.names {
				needed[n] = true
			}
		}
	}
	return kept
}

func (d *Disk) applyToFile(f *file, e Event) {
	if f == nil {
		return // of before the recording, and without a name then
	}
	size := int64(len(f.octets))
	switch e.Op {
	case passthrough.Write:
		f.change(octetChange{e.Offset, e.Offset + e.Length, e.Data, max(size, e.Offset+e.Length)})
	case passthrough.Truncate:
		f.change(octetChange{min(e.Length, size), max(e.Length, size), nil, e.Length})
	case passthrough.Allocate:
		f.change(octetChange{size, size, nil, max(size, e.Offset+e.Length)})
	case passthrough.Punch:
		f.change(octetChange{e.Offset, min(e.Offset+e.Length, size), nil, size})
	case passthrough.SyncFile:
		if d.Ignore != nil && d.Ignore(e) {
			return
		}
		for _, c := range f.pending {
			f.durable = c.applyAll(f.durable)
		}
		f.pending = nil
	}
}

func (f *file) change(c octetChange) {
	f.octets = c.applyAll(f.octets)
	f.pending = append(f.pending, c)
}

// applyAll makes the change whole.
func (c octetChange) applyAll(octets []byte) []byte {
	octets = grow(octets, c.size)
	c.copy(octets, c.from, c.to)
	return octets[:c.size]
}

// copy makes the change of octets [from, to), as far as they are there.
func (c octetChange) copy(octets []byte, from, to int64) {
	from, to = max(from, c.from), min(to, c.to, int64(len(octets)))
	switch {
	case from >= to:
	case c.data == nil:
		clear(octets[from:to])
	default:
		copy(octets[from:to], c.data[from-c.from:])
	}
}

// grow gives octets of the size at least, zeros behind what was there.
func grow(octets []byte, size int64) []byte {
	n := int64(len(octets))
	if n >= size {
		return octets
	}
	if int64(cap(octets)) >= size {
		octets = octets[:size]
		clear(octets[n:])
		return octets
	}
	return append(octets, make([]byte, size-n)...)
}
