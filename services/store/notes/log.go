package notes

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postroom/services/store/disk"
)

// fileSize is where a file of notes is full, and step how far ahead zeros are written: a sync then has only
// data to write, no size and no block map. In octets.
const (
	fileSize = 16 << 20
	step     = 1 << 20
)

const suffix = ".log"

// Log appends notes. It is for one goroutine.
type Log struct {
	fs     disk.FS
	dir    string
	number uint32    // of the newest file
	file   disk.File // nil: the next Append begins a file
	salt   uint64
	at     int64
	zeroed int64 // octets that are written, with zeros from at on
	buffer []byte
}

// New gives a log that begins a new file in dir, behind those that are there.
func New(fsys disk.FS, dir string) (*Log, error) {
	files, err := list(fsys, dir)
	if err != nil {
		return nil, err
	}
	l := &Log{fs: fsys, dir: dir}
	if n := len(files); n > 0 {
		l.number = files[n-1]
	}
	return l, nil
}

// Append writes a note and returns after the sync. After an error the note did not happen: its file is
// closed for writing for good, and the next one's header voids what may have reached the disk.
func (l *Log) Append(sequence uint64, payload []byte) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("note %d of %d octets: over the limit of %d", sequence, len(payload), MaxPayload)
	}
	if l.file != nil && l.at > fileHeaderSize && l.at+recordHeaderSize+int64(len(payload)) > fileSize {
		l.Retire()
	}
	if l.file == nil {
		if err := l.begin(sequence); err != nil {
			return err
		}
	}
	l.buffer = appendRecord(l.buffer[:0], sequence, l.salt, payload)
	err := l.write()
	if err != nil {
		l.Retire()
		return fmt.Errorf("append note %d to file %d: %w", sequence, l.number, err)
	}
	l.at += int64(len(l.buffer))
	if cap(l.buffer) > 4*step {
		l.buffer = nil
	}
	return nil
}

func (l *Log) write() error {
	end := l.at + int64(len(l.buffer))
	if end > l.zeroed {
		to := end + step
		if _, err := l.file.WriteAt(make([]byte, to-l.zeroed), l.zeroed); err != nil {
			return err
		}
		l.zeroed = to
	}
	if _, err := l.file.WriteAt(l.buffer, l.at); err != nil {
		return err
	}
	return l.file.Sync()
}

func (l *Log) begin(first uint64) error {
	l.number++
	f, err := l.fs.Create(l.path(l.number))
	if err != nil {
		return fmt.Errorf("begin file %d of notes: %w", l.number, err)
	}
	salt := rand.Uint64()
	_, err = f.WriteAt(encodeFileHeader(first, salt), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin file %d of notes: %w", l.number, err), f.Close())
	}
	l.file, l.salt, l.at, l.zeroed = f, salt, fileHeaderSize, fileHeaderSize
	return nil
}

// Retire closes the current file for writing for good.
func (l *Log) Retire() {
	if l.file != nil {
		l.file.Close() // its notes are synced, or given up
		l.file = nil
	}
}

// RemoveBefore removes the files whose notes all come before sequence.
func (l *Log) RemoveBefore(sequence uint64) error {
	files, err := list(l.fs, l.dir)
	if err != nil {
		return err
	}
	removed := false
	for i, number := range files {
		if i+1 == len(files) {
			break
		}
		first, err := firstOf(l.fs, l.path(files[i+1]))
		if err != nil || first > sequence {
			break // a header that can't be read says nothing of the file before it
		}
		if err := l.fs.Remove(l.path(number)); err != nil {
			return fmt.Errorf("remove notes: %w", err)
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return l.fs.SyncDir(l.dir)
}

func (l *Log) path(number uint32) string { return path(l.dir, number) }

func path(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%08d%s", number, suffix))
}

func firstOf(fsys disk.FS, name string) (uint64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := make([]byte, fileHeaderSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		return 0, err
	}
	first, _, err := decodeFileHeader(b)
	return first, err
}

// list gives the numbers of the files of notes, in order.
func list(fsys disk.FS, dir string) ([]uint32, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read folder of notes: %w", err)
	}
	var numbers []uint32
	for _, e := range entries {
		if n, ok := number(e); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func number(e fs.DirEntry) (uint32, bool) {
	digits, ok := strings.CutSuffix(e.Name(), suffix)
	if !ok || len(digits) < 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}
