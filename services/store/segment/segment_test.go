package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postroom/services/store/disk"
)

var account = [16]byte{1, 2, 3}

func newSet(t *testing.T, dir string, ends map[uint32]uint64, keepUnknown bool) *Set {
	t.Helper()
	s, err := Open(disk.OS{}, dir, ends, 1, keepUnknown)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Retire)
	return s
}

func body(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + (i+n)%26)
	}
	return b
}

func appended(t *testing.T, s *Set, octets ...[]byte) []Location {
	t.Helper()
	var bodies []Body
	for _, o := range octets {
		bodies = append(bodies, NewBody(Received, account, time.Unix(1, 2), o))
	}
	l, err := s.Append(bodies)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func read(t *testing.T, s *Set, l Location) []byte {
	t.Helper()
	f, err := s.Reader(l.Segment)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := ReadHeader(f, l.Offset)
	if err != nil {
		t.Fatal(err)
	}
	if h.Length != l.Length || h.CRC32C != l.CRC32C || h.SHA256 != l.SHA256 || h.Account != account {
		t.Errorf("header %+v is not that of %+v", h, l)
	}
	if err := Verify(f, l.Offset, h); err != nil {
		t.Error(err)
	}
	b := make([]byte, l.Length)
	if _, err := f.ReadAt(b, int64(l.Offset)); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppendedBodiesAreReadBack(t *testing.T) {
	t.Parallel()
	s := newSet(t, t.TempDir(), nil, false)
	want := [][]byte{body(0), body(1), body(4096), body(MaxShared), []byte("x\r\n")}
	for i, l := range appended(t, s, want...) {
		if got := read(t, s, l); !bytes.Equal(got, want[i]) {
			t.Errorf("body %d: got %d octets, want %d", i, len(got), len(want[i]))
		}
		if open := len(want[i]) > 0 && !bytes.HasSuffix(want[i], []byte("\r\n")); l.OpenEnd != open {
			t.Errorf("body %d: open end %t, want %t", i, l.OpenEnd, open)
		}
	}
}

func TestFullSegmentBeginsTheNext(t *testing.T) {
	t.Parallel()
	s := newSet(t, t.TempDir(), nil, false)
	var want [][]byte
	for range 70 {
		want = append(want, body(MaxShared))
	}
	locations := appended(t, s, want...)
	if first, last := locations[0].Segment, locations[69].Segment; first != 1 || last != 2 {
		t.Errorf("70 MiB went to segments %d to %d, want 1 to 2", first, last)
	}
	for i, l := range locations {
		if l.Offset+l.Length > MaxSize {
			t.Errorf("body %d ends at %d, behind %d", i, l.Offset+l.Length, MaxSize)
		}
		if !bytes.Equal(read(t, s, l), want[i]) {
			t.Errorf("body %d is another", i)
		}
	}
}

func TestUploadIsTheSameInAnyChunks(t *testing.T) {
	t.Parallel()
	s := newSet(t, t.TempDir(), nil, false)
	want := append(body(3<<20), '\r', '\n')
	whole := NewBody(Received, account, time.Now(), want)
	for _, chunk := range []int{len(want), 1 << 20, 4097, 65536} {
		u, err := s.Upload()
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; len(rest) > 0; {
			n := min(chunk, len(rest))
			if err := u.Append(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		l, err := u.Finish(Received, account, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if l.SHA256 != whole.SHA256 || l.CRC32C != whole.CRC32C || l.OpenEnd || !bytes.Equal(read(t, s, l), want) {
			t.Errorf("chunks of %d: another body came out", chunk)
		}
	}
}

// One octet at a time keeps the last two right.
func TestDigestOfSingleOctets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "\n", "\r\n", "a\r\n", "a\n", "\r\r\n", "\r\nx"} {
		d := newDigest()
		for i := range len(text) {
			d.write([]byte{text[i]})
		}
		want := NewBody(Received, account, time.Now(), []byte(text))
		if h := d.header(Received, account, want.Time); h != want.Header || d.openEnd() != want.OpenEnd {
			t.Errorf("%q: got %+v, want %+v", text, h, want.Header)
		}
	}
}

// What a cut leaves behind nobody was answered for: it goes. What rows know stays.
func TestOpenCutsOffWhatWasNeverAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSet(t, dir, nil, false)
	known := appended(t, s, body(100))[0]
	appended(t, s, body(200)) // no row
	s.Retire()
	other := appended(t, s, body(300))[0] // a segment that no row knows
	s.Retire()
	if _, err := s.Upload(); err != nil { // unfinished
		t.Fatal(err)
	}
	ends := map[uint32]uint64{known.Segment: known.Offset + known.Length}
	again := newSet(t, dir, ends, false)
	if got := read(t, again, known); !bytes.Equal(got, body(100)) {
		t.Error("the body that a row knows is another")
	}
	info, err := os.Stat(filepath.Join(dir, Name(known.Segment)))
	if err != nil || info.Size() != int64(ends[known.Segment]) {
		t.Errorf("segment %d: %v octets, %v; want %d", known.Segment, info.Size(), err, ends[known.Segment])
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v; want segment %d alone", entries, err, known.Segment)
	}
	if next := appended(t, again, body(1))[0]; next.Segment <= other.Segment {
		t.Errorf("segment number %d was given before", next.Segment)
	}
}

func TestOpenKeepsWhatALostNoteMayHaveNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSet(t, dir, nil, false)
	first, second := appended(t, s, body(100))[0], appended(t, s, body(200))[0]
	s.Retire()
	third := appended(t, s, body(300))[0]
	s.Retire()
	again := newSet(t, dir, map[uint32]uint64{first.Segment: first.Offset + first.Length}, true)
	for n, l := range map[int]Location{100: first, 200: second, 300: third} {
		if !bytes.Equal(read(t, again, l), body(n)) {
			t.Errorf("body of %d octets is gone", n)
		}
	}
}

// Scan finds every whole record, whatever is destroyed beside it.
func TestScanFindsWholeRecordsBetweenDamage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		dir := t.TempDir()
		s := newSet(t, dir, nil, false)
		var octets [][]byte
		for i := range 20 {
			octets = append(octets, fmt.Appendf(body(random.IntN(3000)), "%d", i))
		}
		locations := appended(t, s, octets...)
		name := filepath.Join(dir, Name(1))
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := random.IntN(len(file))
		length := min(1+random.IntN(6000), len(file)-at)
		for i := at; i < at+length; i++ {
			file[i] ^= 0xff
		}
		if err := os.WriteFile(name, file, 0o600); err != nil {
			t.Fatal(err)
		}
		found := make(map[uint64]bool)
		f, err := s.Reader(1)
		if err != nil {
			t.Fatal(err)
		}
		err = Scan(f, func(h Header, offset uint64, body io.Reader) error {
			found[offset] = true
			return nil
		})
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range locations {
			hit := int(l.Offset+l.Length) > at && int(l.Offset)-HeaderSize < at+length
			if found[l.Offset] == hit {
				t.Errorf("octets %d to %d destroyed; record %d at %d to %d: found %t", at, at+length, i, l.Offset-HeaderSize, l.Offset+l.Length, found[l.Offset])
			}
		}
	}
}

func TestHeaderOfUnknownVersion(t *testing.T) {
	t.Parallel()
	b := make([]byte, HeaderSize)
	h := NewBody(Received, account, time.Unix(0, 5), body(3)).Header
	h.encode(b)
	var got Header
	if err := got.decode(b); err != nil || got != h {
		t.Errorf("got %+v, %v; want %+v", got, err, h)
	}
	for i := range b {
		flipped := bytes.Clone(b)
		flipped[i] ^= 1
		if err := got.decode(flipped); !errors.Is(err, ErrNoRecord) {
			t.Errorf("octet %d flipped: got %v, want ErrNoRecord", i, err)
		}
	}
}

func FuzzScan(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(disk.OS{}, dir, nil, 1, false)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := s.Append([]Body{NewBody(Received, account, time.Unix(0, 0), []byte("a body\r\n"))}); err != nil {
		f.Fatal(err)
	}
	s.Retire()
	seed, err := os.ReadFile(filepath.Join(dir, Name(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(append([]byte(magic+magic), seed...))
	f.Fuzz(func(t *testing.T, octets []byte) {
		name := filepath.Join(t.TempDir(), Name(1))
		if err := os.WriteFile(name, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := disk.OS{}.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		err = Scan(file, func(h Header, _ uint64, body io.Reader) error {
			b, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			if got := NewBody(h.Kind, h.Account, h.Time, b); got.Header != h {
				t.Errorf("a body that doesn't fit its header was given")
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrVersion) {
			t.Error(err)
		}
	})
}
