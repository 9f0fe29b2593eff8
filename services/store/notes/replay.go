package notes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"postroom/services/store/disk"
)

// Damage is a place where acknowledged notes are lost.
type Damage struct {
	File uint32 // its number; 0: between files
	At   int64  // octets from its beginning
	Text string
}

func (d Damage) String() string { return fmt.Sprintf("notes file %d at %d: %s", d.File, d.At, d.Text) }

// Replay calls apply with each note behind the sequence after, in order, and gives the last note's sequence
// (after itself when there is none) and what is damaged. The end of the log is the first record that isn't
// whole in the last file with none whole behind it: a note is synced before the next is written, so only the
// last can be torn. A record that isn't whole anywhere else was whole once: it is skipped and told. ErrVersion
// ends the replay, and so does an error of apply.
//
// The last note's process may have died before its sync. From here on it has happened, so it's made durable: after an
// error of that, nothing may be seen of it.
func Replay(fsys disk.FS, dir string, after uint64, apply func(sequence uint64, payload []byte) error) (last uint64, damage []Damage, err error) {
	files, err := list(fsys, dir)
	if err != nil {
		return after, nil, err
	}
	contents := make([]content, 0, len(files))
	for _, n := range files {
		c, err := load(fsys, dir, n)
		if err != nil {
			return after, nil, err
		}
		contents = append(contents, c)
	}
	last = after
	var tail place
	for i, c := range contents {
		voidFrom := uint64(math.MaxUint64)
		for _, later := range contents[i+1:] {
			if later.whole {
				voidFrom = min(voidFrom, later.first)
			}
		}
		if voidFrom <= after+1 && voidFrom != math.MaxUint64 && last >= voidFrom-1 {
			continue // all of it is known, or void
		}
		if err := c.load(fsys, dir); err != nil {
			return last, damage, err
		}
		// Where the next file's header is damaged, it is not known what this one ends with.
		endKnown := i+1 < len(contents) && contents[i+1].whole
		d, err := c.replay(&last, &tail, voidFrom, endKnown, apply)
		damage = append(damage, d...)
		if err != nil {
			return last, damage, err
		}
	}
	if err := tail.secure(fsys, dir); err != nil {
		return last, damage, fmt.Errorf("make note %d durable: %w", last, err)
	}
	return last, damage, nil
}

// place is where a record stands.
type place struct {
	file   uint32 // 0: nowhere
	at     int64
	octets []byte
}

// secure writes the record once more to its place, and syncs it. A sync alone could say that all is well: after one that
// failed, the kernel takes octets for written that no disk has.
func (p place) secure(fsys disk.FS, dir string) error {
	if p.file == 0 {
		return nil
	}
	f, err := fsys.Open(path(dir, p.file))
	if err != nil {
		return err
	}
	_, err = f.WriteAt(p.octets, p.at)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// content is a file of notes.
type content struct {
	number uint32
	whole  bool // its header is
	first  uint64
	salt   uint64 // 0: not known yet
	octets []byte
}

// load reads a file's header.
func load(fsys disk.FS, dir string, number uint32) (content, error) {
	c := content{number: number}
	f, err := fsys.Open(path(dir, number))
	if err != nil {
		return c, fmt.Errorf("open notes: %w", err)
	}
	defer f.Close()
	head := make([]byte, fileHeaderSize)
	if n, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return c, fmt.Errorf("read notes file %d: %w", number, err)
	} else {
		head = head[:n]
	}
	c.first, c.salt, err = decodeFileHeader(head)
	if errors.Is(err, ErrVersion) {
		return c, fmt.Errorf("notes file %d: %w", number, err)
	}
	c.whole = err == nil
	return c, nil
}

// load reads a file's octets.
func (c *content) load(fsys disk.FS, dir string) error {
	f, err := fsys.Open(path(dir, c.number))
	if err != nil {
		return fmt.Errorf("open notes: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	c.octets = make([]byte, size)
	if _, err := f.ReadAt(c.octets, 0); err != nil && err != io.EOF {
		return fmt.Errorf("read notes file %d: %w", c.number, err)
	}
	return nil
}

func (c *content) replay(last *uint64, tail *place, voidFrom uint64, endKnown bool, apply func(uint64, []byte) error) (damage []Damage, err error) {
	at := min(fileHeaderSize, len(c.octets))
	for {
		r, err := c.record(at)
		if errors.Is(err, ErrVersion) {
			return damage, fmt.Errorf("notes file %d at %d: %w", c.number, at, err)
		}
		if err != nil {
			next := c.nextWhole(at + 1)
			if next < 0 {
				break
			}
			damage = append(damage, Damage{c.number, int64(at), "a note isn't whole, and whole ones follow it"})
			at = next
			continue
		}
		begin := at
		at += recordHeaderSize + len(r.payload)
		if r.sequence >= voidFrom {
			break
		}
		if r.sequence <= *last {
			continue
		}
		if r.sequence != *last+1 && len(damage) == 0 {
			damage = append(damage, Damage{c.number, int64(at), fmt.Sprintf("notes %d to %d are missing", *last+1, r.sequence-1)})
		}
		if err := apply(r.sequence, r.payload); err != nil {
			return damage, fmt.Errorf("apply note %d: %w", r.sequence, err)
		}
		*last, *tail = r.sequence, place{c.number, int64(begin), c.octets[begin:at]}
	}
	if endKnown && *last+1 < voidFrom {
		if len(damage) == 0 {
			damage = append(damage, Damage{c.number, int64(at), fmt.Sprintf("notes %d to %d are missing", *last+1, voidFrom-1)})
		}
		*last = voidFrom - 1
	}
	return damage, nil
}

// record reads the record at at; one with another salt than the file's is none of its own.
func (c *content) record(at int) (record, error) {
	r, err := decodeRecord(c.octets[min(at, len(c.octets)):])
	if err != nil {
		return r, err
	}
	if c.salt == 0 { // the file's header is damaged: its first whole record tells
		c.salt = r.salt
	}
	if r.salt != c.salt {
		return r, errNotWhole
	}
	return r, nil
}

// nextWhole gives the first place from at on where a whole record begins, -1 for none.
func (c *content) nextWhole(at int) int {
	for at < len(c.octets) {
		i := bytes.Index(c.octets[at:], []byte(recordMagic))
		if i < 0 {
			return -1
		}
		at += i
		if _, err := c.record(at); err == nil || errors.Is(err, ErrVersion) {
			return at
		}
		at++
	}
	return -1
}
