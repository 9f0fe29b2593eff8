package notes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"postroom/services/store/disk"
)

// replayed gives the payloads that a replay applies.
func replayed(t *testing.T, dir string, after uint64) (payloads []string, last uint64, damage []Damage) {
	t.Helper()
	last, damage, err := Replay(disk.OS{}, dir, after, func(sequence uint64, payload []byte) error {
		if want := after + uint64(len(payloads)) + 1; sequence != want && len(damage) == 0 {
			t.Logf("note %d where %d was next", sequence, want)
		}
		payloads = append(payloads, string(payload))
		return nil
	})
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	return payloads, last, damage
}

// written makes a log of n notes in a new folder, closing the file behind each of retire.
func written(t *testing.T, n int, retire ...int) string {
	t.Helper()
	dir := t.TempDir()
	l := open(t, dir)
	for i := 1; i <= n; i++ {
		if err := l.Append(uint64(i), payload(i)); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(retire, i) {
			l.Retire()
		}
	}
	l.Retire()
	return dir
}

func open(t *testing.T, dir string) *Log {
	t.Helper()
	l, err := New(disk.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func payload(i int) []byte { return fmt.Appendf(nil, "note %d %0*d", i, i*7%100, 0) }

func payloads(from, to int) (list []string) {
	for i := from; i <= to; i++ {
		list = append(list, string(payload(i)))
	}
	return list
}

func TestReplayGivesWhatWasAppended(t *testing.T) {
	t.Parallel()
	dir := written(t, 30, 10, 20)
	for _, after := range []int{0, 1, 9, 10, 11, 29, 30} {
		got, last, damage := replayed(t, dir, uint64(after))
		if want := payloads(after+1, 30); !slices.Equal(got, want) || last != 30 || damage != nil {
			t.Errorf("after %d: got %d notes, last %d, damage %v; want %d, 30, none", after, len(got), last, damage, len(want))
		}
	}
}

// A power cut in the last note leaves any prefix of it, with zeros behind.
func TestTornLastNoteIsTheEnd(t *testing.T) {
	t.Parallel()
	dir := written(t, 5)
	name := path(dir, 1)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	end := fileHeaderSize
	for i := 1; i <= 4; i++ {
		end += recordHeaderSize + len(payload(i))
	}
	length := recordHeaderSize + len(payload(5))
	for cut := range length {
		torn := slices.Clone(whole)
		clear(torn[end+cut:])
		if err := os.WriteFile(name, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		got, last, damage := replayed(t, dir, 0)
		if !slices.Equal(got, payloads(1, 4)) || last != 4 || damage != nil {
			t.Fatalf("cut at %d of %d: got %d notes, last %d, damage %v; want 4, 4, none", cut, length, len(got), last, damage)
		}
	}
}

// A note that was whole once and isn't now is skipped and told; nothing behind it is cut.
func TestDamagedNoteIsSkippedAndTold(t *testing.T) {
	t.Parallel()
	for _, retire := range [][]int{nil, {7}, {3, 7}} {
		dir := written(t, 9, retire...)
		flip(t, path(dir, 1), fileHeaderSize+recordHeaderSize+len(payload(1))+recordHeaderSize+3)
		got, last, damage := replayed(t, dir, 0)
		want := slices.Concat(payloads(1, 1), payloads(3, 9))
		if !slices.Equal(got, want) || last != 9 || len(damage) != 1 {
			t.Errorf("files ended behind %v: got %q, last %d, damage %v", retire, got, last, damage)
		}
	}
}

func TestDamagedFileHeaderCostsNothing(t *testing.T) {
	t.Parallel()
	dir := written(t, 9, 3, 6)
	flip(t, path(dir, 2), 9)
	got, last, damage := replayed(t, dir, 0)
	if !slices.Equal(got, payloads(1, 9)) || last != 9 || damage != nil {
		t.Errorf("got %q, last %d, damage %v", got, last, damage)
	}
}

func TestMissingFileIsTold(t *testing.T) {
	t.Parallel()
	for missing, want := range map[uint32]int{1: 1, 2: 1} {
		dir := written(t, 9, 3, 6)
		if err := os.Remove(path(dir, missing)); err != nil {
			t.Fatal(err)
		}
		got, last, damage := replayed(t, dir, 0)
		if len(got) != 6 || last != 9 || len(damage) != want {
			t.Errorf("file %d is missing: got %d notes, last %d, damage %v", missing, len(got), last, damage)
		}
	}
}

// A file's header voids notes from its first sequence on in earlier files: they were refused, whatever of
// them reached the disk.
func TestRefusedNoteIsVoid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	for i := 1; i <= 3; i++ {
		if err := l.Append(uint64(i), payload(i)); err != nil {
			t.Fatal(err)
		}
	}
	l.Retire() // as after a failed sync of note 3, which its caller was told of
	if err := l.Append(3, []byte("the note that happened")); err != nil {
		t.Fatal(err)
	}
	l.Retire()
	got, last, damage := replayed(t, dir, 0)
	want := append(payloads(1, 2), "the note that happened")
	if !slices.Equal(got, want) || last != 3 || damage != nil {
		t.Errorf("got %q, last %d, damage %v; want %q", got, last, damage, want)
	}
}

func TestUnknownVersionIsNeverTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	octets := encodeFileHeader(1, 42)
	octets = appendRecord(octets, 1, 42, payload(1))
	newer := appendRecord(nil, 2, 42, payload(2))
	newer[4] = version + 1
	reseal(newer)
	if err := os.WriteFile(path(dir, 1), append(octets, newer...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Replay(disk.OS{}, dir, 0, func(uint64, []byte) error { return nil })
	if !errors.Is(err, ErrVersion) {
		t.Errorf("got %v, want ErrVersion", err)
	}
}

// Octets from outside that look like a note stand in a payload; the note is torn before them.
func TestForgedNoteInATornOneIsNotTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	forged := appendRecord(nil, 2, 0x1234, []byte("forged"))
	if err := l.Append(1, append(make([]byte, 600), forged...)); err != nil {
		t.Fatal(err)
	}
	l.Retire()
	flip(t, path(dir, 1), fileHeaderSize+recordHeaderSize+10)
	got, last, _ := replayed(t, dir, 0)
	if len(got) != 0 || last != 0 {
		t.Errorf("got %q, last %d; want nothing", got, last)
	}
}

func TestRemoveBefore(t *testing.T) {
	t.Parallel()
	for before, want := range map[uint64][]uint32{1: {1, 2, 3}, 3: {1, 2, 3}, 4: {2, 3}, 6: {2, 3}, 7: {3}, 100: {3}} {
		dir := written(t, 9, 3, 6)
		if err := open(t, dir).RemoveBefore(before); err != nil {
			t.Fatal(err)
		}
		if got, err := list(disk.OS{}, dir); err != nil || !slices.Equal(got, want) {
			t.Errorf("before %d: got files %v, %v; want %v", before, got, err, want)
		}
	}
}

func TestFullFileBeginsTheNext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	big := make([]byte, fileSize/3)
	for i := range big {
		big[i] = byte(rand.Uint32())
	}
	for i := 1; i <= 4; i++ {
		if err := l.Append(uint64(i), big); err != nil {
			t.Fatal(err)
		}
	}
	l.Retire()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(files) != 2 {
		t.Fatalf("got files %v, %v; want 2", files, err)
	}
	if got, last, damage := replayed(t, dir, 0); len(got) != 4 || last != 4 || damage != nil {
		t.Errorf("got %d notes, last %d, damage %v", len(got), last, damage)
	}
}

// FuzzReplay: whatever a file of notes holds, replay ends, and gives no note that isn't whole.
func FuzzReplay(f *testing.F) {
	whole := appendRecord(appendRecord(encodeFileHeader(1, 7), 1, 7, []byte("one")), 2, 7, []byte("two"))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte(recordMagic))
	f.Fuzz(func(t *testing.T, octets []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(path(dir, 1), octets, 0o600); err != nil {
			t.Fatal(err)
		}
		last := uint64(0)
		_, _, err := Replay(disk.OS{}, dir, 0, func(sequence uint64, _ []byte) error {
			if sequence <= last {
				t.Errorf("note %d behind note %d", sequence, last)
			}
			last = sequence
			return nil
		})
		if err != nil && !errors.Is(err, ErrVersion) {
			t.Error(err)
		}
	})
}

func flip(t *testing.T, name string, at int) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 0x10
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// reseal gives a record that was changed its checksum again.
func reseal(record []byte) {
	sum := crc32.Update(crc32.Checksum(record[:28], table), table, record[recordHeaderSize:])
	binary.LittleEndian.PutUint32(record[28:], sum)
}
