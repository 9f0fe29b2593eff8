package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"

	"postroom/tests/passthrough"
)

// Disk passes everything on to a folder, and fails where it is told to.
type Disk struct {
	mounted *passthrough.Mounted

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	faults []*Fault
	failed int
	next   map[uint64]syscall.Errno // by inode: of the write behind one that was cut short
}

// Fault is what fails of a Disk for a while.
type Fault struct {
	Part  string // of the path: bodies/, notes/, index.db, checkpoint-, index.state
	Ops   []passthrough.Op
	Errno syscall.Errno
	Short bool    // a write that fails is cut short first; the next one gets the error
	Share float64 // of the calls that fail
}

func (f *Fault) String() string {
	text := fmt.Sprintf("%v of %s: %v", f.Ops, f.Part, f.Errno)
	if f.Short {
		text += " behind short writes"
	}
	return fmt.Sprintf("%s, %.0f %%", text, f.Share*100)
}

// Mount mounts a Disk over the folder real at the folder dir. It needs root and /dev/fuse.
func Mount(real, dir string, seed uint64) (*Disk, error) {
	d := &Disk{random: rand.New(rand.NewPCG(seed, 2)), next: make(map[uint64]syscall.Errno)}
	var err error
	d.mounted, err = passthrough.Mount(real, dir, "faults", d.do, func(path string) bool {
		return strings.HasPrefix(path, "bodies/") || strings.HasPrefix(path, "notes/") // reads of them fail, too
	})
	return d, err
}

// Unmount ends it. No process may have a file open there.
func (d *Disk) Unmount() error { return d.mounted.Unmount() }

// Fail has calls fail until the end that it gives.
func (d *Disk) Fail(f *Fault) (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, f)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.faults = slices.DeleteFunc(d.faults, func(g *Fault) bool { return g == f })
	}
}

// Failed is how many calls have failed so far.
func (d *Disk) Failed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// fails gives the fault that hits a call; nil: none does.
func (d *Disk) fails(c *passthrough.Call) *Fault {
	name := c.Path
	if c.Op == passthrough.SyncDir {
		name += "/" // it's of the part that is in it
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.faults {
		if slices.Contains(f.Ops, c.Op) && strings.HasPrefix(name, f.Part) && d.random.Float64() < f.Share {
			d.failed++
			return f
		}
	}
	return nil
}

// do passes a call on unless a fault hits it. A write that fails has written half, as a disk that fills or breaks in the
// middle of it does.
func (d *Disk) do(c *passthrough.Call, pass func() syscall.Errno) syscall.Errno {
	if errno := d.behindShort(c); errno != 0 {
		return errno
	}
	f := d.fails(c)
	switch {
	case f == nil:
		return pass()
	case c.Op != passthrough.Write:
		return f.Errno
	}
	c.Data = c.Data[:len(c.Data)/2]
	if errno := pass(); errno != 0 {
		return errno
	}
	if !f.Short || c.Length == 0 {
		return f.Errno
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next[c.Ino] = f.Errno
	return 0
}

// behindShort gives the error of a write behind one that was cut short.
func (d *Disk) behindShort(c *passthrough.Call) syscall.Errno {
	if c.Op != passthrough.Write {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	errno := d.next[c.Ino]
	delete(d.next, c.Ino)
	return errno
}
