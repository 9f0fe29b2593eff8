package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"postroom/services/store/disk"
)

// MaxSize is what a segment of several bodies grows to at most, and MaxShared the longest body that goes
// into one; in octets.
const (
	MaxSize   = 64 << 20
	MaxShared = 1 << 20
)

const (
	suffix     = ".seg"
	largeStart = "upload-"
)

// Set is the segments of a folder. Append, Number and Retire are for the one goroutine that commits;
// the rest may be called from anywhere.
type Set struct {
	fs  disk.FS
	dir string

	// owned by the committing goroutine
	current disk.File // nil: the next Append begins a segment
	number  uint32    // of current
	end     uint64    // of current: octets that acknowledged records take
	buffer  []byte

	mu   sync.Mutex
	next uint32 // the next segment's number
}

// Open opens the folder. ends has, for each segment that a row knows, the octets that acknowledged records
// take in it. What a cut left behind was never acknowledged, and is cut off: unfinished uploads are removed,
// and octets behind the end. A segment that no row knows is kept only when keepUnknown says so: its
// records may have been named by a note that was lost. next is at least the next segment's number.
func Open(fsys disk.FS, dir string, ends map[uint32]uint64, next uint32, keepUnknown bool) (*Set, error) {
	s := &Set{fs: fsys, dir: dir, next: max(next, 1)}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read folder of bodies: %w", err)
	}
	removed := false
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		number, ok := parseName(e.Name())
		end, known := ends[number]
		switch {
		case !ok && !strings.HasPrefix(e.Name(), largeStart):
			continue // not ours
		case !ok, !known && !keepUnknown:
			if err := fsys.Remove(name); err != nil {
				return nil, fmt.Errorf("remove what was never acknowledged: %w", err)
			}
			removed = true
		case known && !keepUnknown:
			if err := cut(fsys, name, end); err != nil {
				return nil, err
			}
		}
		if ok {
			s.next = max(s.next, number+1)
		}
	}
	if removed {
		if err := fsys.SyncDir(dir); err != nil {
			return nil, fmt.Errorf("sync folder of bodies: %w", err)
		}
	}
	return s, nil
}

// cut takes off what stands behind a segment's acknowledged records.
func cut(fsys disk.FS, name string, end uint64) error {
	f, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || uint64(size) <= end {
		return err
	}
	if err := f.Truncate(int64(end)); err != nil {
		return fmt.Errorf("cut segment %s at %d: %w", name, end, err)
	}
	return f.Sync()
}

// Name is a segment's file name within its folder.
func Name(number uint32) string { return fmt.Sprintf("%08d%s", number, suffix) }

func parseName(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) < 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}

func (s *Set) path(number uint32) string { return filepath.Join(s.dir, Name(number)) }

// Number is the segment that the next Append may go on with, 0 for none.
func (s *Set) Number() uint32 {
	if s.current == nil {
		return 0
	}
	return s.number
}

// Next is the number that the next segment gets at least; it never goes back, so that a location names
// one body for ever.
func (s *Set) Next() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *Set) takeNumber() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	s.next++
	return n
}

// Append writes the bodies one behind the other and returns after the sync. After an error nothing of the
// call may be named by a note: the segment is closed for writing for good and the next Append begins another.
func (s *Set) Append(bodies []Body) ([]Location, error) {
	locations := make([]Location, 0, len(bodies))
	for rest := bodies; len(rest) > 0; {
		n, size := fit(rest, s.end, s.current != nil)
		if n == 0 {
			s.Retire()
		}
		if s.current == nil {
			if err := s.begin(); err != nil {
				return nil, err
			}
		}
		if n == 0 {
			continue
		}
		at := s.end
		buffer := s.buffer[:0]
		if cap(buffer) < size {
			buffer = make([]byte, 0, size)
		}
		for _, b := range rest[:n] {
			head := len(buffer)
			buffer = buffer[:head+HeaderSize]
			b.encode(buffer[head:])
			buffer = append(buffer, b.Octets...)
			locations = append(locations, Location{
				Segment: s.number, Offset: at + uint64(head) + HeaderSize,
				Length: b.Length, CRC32C: b.CRC32C, SHA256: b.SHA256, OpenEnd: b.OpenEnd,
			})
		}
		if cap(buffer) <= 4*MaxShared {
			s.buffer = buffer[:0]
		}
		if _, err := s.current.WriteAt(buffer, int64(at)); err != nil {
			s.Retire()
			return nil, fmt.Errorf("append %d bodies to segment %d: %w", n, s.number, err)
		}
		s.end += uint64(len(buffer))
		rest = rest[n:]
		if len(rest) > 0 { // the segment is full: nothing comes behind
			if err := s.current.Sync(); err != nil {
				s.Retire()
				return nil, fmt.Errorf("sync segment %d: %w", s.number, err)
			}
		}
	}
	if s.current != nil {
		if err := s.current.Sync(); err != nil {
			s.Retire()
			return nil, fmt.Errorf("sync segment %d: %w", s.number, err)
		}
	}
	return locations, nil
}

// fit says how many of the bodies the current segment still takes, and their records' octets.
func fit(bodies []Body, end uint64, open bool) (n, size int) {
	if !open {
		end = 0
	}
	for _, b := range bodies {
		record := HeaderSize + len(b.Octets)
		if end+uint64(size+record) > MaxSize {
			break
		}
		size += record
		n++
	}
	return n, size
}

func (s *Set) begin() error {
	number := s.takeNumber()
	f, err := s.fs.Create(s.path(number))
	if err != nil {
		return fmt.Errorf("begin segment %d: %w", number, err)
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return errors.Join(fmt.Errorf("begin segment %d: %w", number, err), f.Close())
	}
	s.current, s.number, s.end = f, number, 0
	return nil
}

// Retire closes the current segment for writing for good.
func (s *Set) Retire() {
	if s.current != nil {
		s.current.Close() // its octets are synced, or given up
		s.current = nil
	}
}

// Reader opens a segment for reading.
func (s *Set) Reader(number uint32) (disk.File, error) {
	f, err := s.fs.Open(s.path(number))
	if err != nil {
		return nil, fmt.Errorf("open segment %d: %w", number, err)
	}
	return f, nil
}

// Punch gives the octets [from, to) of a segment back to the file system, durably: a body that comes back when no row knows
// it any more would be punched by nobody.
func (s *Set) Punch(number uint32, from, to uint64) error {
	f, err := s.Reader(number)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = f.Punch(int64(from), int64(to-from))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Remove removes a segment that holds nothing any more and is not being written. It may be gone already.
func (s *Set) Remove(number uint32) error {
	err := s.fs.Remove(s.path(number))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove segment %d: %w", number, err)
	}
	return s.fs.SyncDir(s.dir)
}

// Numbers gives the segments that are in the folder, in order.
func (s *Set) Numbers() ([]uint32, error) {
	entries, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read folder of bodies: %w", err)
	}
	var numbers []uint32
	for _, e := range entries {
		if n, ok := parseName(e.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
