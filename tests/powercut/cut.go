package powercut

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

const sector = 512 // octets: what a disk writes whole or not

// Crash gives the folder as it is when the program dies and the machine goes on: all that it wrote. The tree is good
// until the next Apply.
func (d *Disk) Crash() *Tree {
	return d.tree(d.now, func(f *file) []byte { return f.octets })
}

// Cut gives a folder as a power cut now may leave it: one of the many, by random choice. The tree is good until the
// next Apply.
func (d *Disk) Cut(random *rand.Rand) *Tree {
	names := maps.Clone(d.durable)
	p := chances[random.IntN(len(chances))]
	kept := choose(d.pending, func(nameChange) bool { return random.Float64() < p })
	for i, c := range d.pending {
		if kept[i] {
			c.apply(names)
		}
	}
	return d.tree(names, func(f *file) []byte { return f.cut(random) })
}

// chances that something unsynced reached the disk; a cut takes one for each file, and one for all names.
var chances = []float64{0, 0.03, 0.5, 0.97, 1}

// tree gives what is reached from the root by names. Files are taken in the order of their paths, so that the same
// random numbers give the same cut.
func (d *Disk) tree(names map[name]uint64, octets func(*file) []byte) *Tree {
	t := &Tree{Nodes: make(map[string]Node)}
	below := make(map[uint64][]name)
	for n := range names {
		below[n.dir] = append(below[n.dir], n)
	}
	var walk func(p string, id uint64)
	walk = func(p string, id uint64) {
		f := d.files[id]
		n := Node{File: id, Dir: f.dir, Mode: f.mode}
		if !f.dir {
			n.Data = octets(f)
		}
		t.Nodes[p] = n
		entries := below[id]
		slices.SortFunc(entries, func(a, b name) int {
			if a.base < b.base {
				return -1
			}
			return 1
		})
		for _, e := range entries {
			walk(path.Join(p, e.base), names[e])
		}
	}
	walk(".", rootID)
	return t
}

// cut gives the file's octets as a power cut may leave them.
func (f *file) cut(random *rand.Rand) []byte {
	if len(f.pending) == 0 {
		return f.durable
	}
	octets := slices.Clone(f.durable)
	longest := int64(len(octets))
	for _, c := range f.pending {
		longest = max(longest, c.size, c.to)
	}
	octets = grow(octets, longest)

	// Each sector is as one of the changes that touched it left it, or as it was.
	touched := make([]int, longest/sector+1)
	for _, c := range f.pending {
		for s := range c.sectors() {
			touched[s]++
		}
	}
	p := chances[random.IntN(len(chances))]
	reached := make([]int, len(touched))
	for s, n := range touched {
		switch {
		case n == 0:
		case random.Float64() < p:
			reached[s] = n
		case p > 0 && p < 1:
			reached[s] = random.IntN(n + 1)
		}
	}
	for _, c := range f.pending {
		for s := range c.sectors() {
			if reached[s]--; reached[s] >= 0 {
				c.copy(octets, s*sector, (s+1)*sector)
			}
		}
	}
	return octets[:f.size(p, random)]
}

// size is the one that was, or that any change left.
func (f *file) size(p float64, random *rand.Rand) int64 {
	n := len(f.pending)
	switch {
	case p == 0:
		n = 0
	case random.Float64() >= p:
		n = random.IntN(n + 1)
	}
	if n == 0 {
		return int64(len(f.durable))
	}
	return f.pending[n-1].size
}

// sectors gives those that the change touches.
func (c octetChange) sectors() func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for s := c.from / sector; s*sector < c.to; s++ {
			if !yield(s) {
				return
			}
		}
	}
}
