package salvage

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/store/disk"
	"postroom/services/store/segment"
)

var (
	anna = [16]byte{0xaa, 1}
	ben  = [16]byte{0xbb, 2}
	day  = time.Date(2026, 11, 23, 9, 30, 1, 0, time.UTC)
)

const from = "From MAILER-DAEMON Mon Nov 23 09:30:01 2026\n"

type mail struct {
	account [16]byte
	text    string
}

// write makes a folder of bodies, and gives the places of the mails.
func write(t *testing.T, bodies string, mails ...mail) []segment.Location {
	t.Helper()
	if err := os.MkdirAll(bodies, 0o700); err != nil {
		t.Fatal(err)
	}
	set, err := segment.Open(disk.OS{}, bodies, nil, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Retire()
	var places []segment.Location
	for _, m := range mails {
		l, err := set.Append([]segment.Body{segment.NewBody(segment.Received, m.account, day, []byte(m.text))})
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, l...)
	}
	return places
}

// patch changes what stands in a segment.
func patch(t *testing.T, bodies string, l segment.Location, at int64, octets string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(bodies, segment.Name(l.Segment)), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(octets), int64(l.Offset)+at); err != nil {
		t.Fatal(err)
	}
}

// snapshot is everything in a folder: names, times and octets.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		b.WriteString(name + info.ModTime().String() + "\n")
		if e.Type().IsRegular() {
			text, err := os.ReadFile(name)
			b.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func save(t *testing.T, dir string) (report *Report, out string) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "saved")
	before := snapshot(t, dir)
	report, err := Run(dir, out, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if snapshot(t, dir) != before {
		t.Error("the store was changed")
	}
	return report, out
}

func content(t *testing.T, out string, a *Account) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, a.File))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSavesWhatIsWhole(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789abcdef\r\n", 8<<10)
	for _, below := range []string{"store/bodies", "bodies", ""} {
		dir := t.TempDir()
		bodies := filepath.Join(dir, below)
		places := write(t, bodies,
			mail{anna, "Subject: 1\r\n\r\nFrom\r\nFrom here\r\n"}, mail{ben, "Subject: 2\r\n\r\nx"}, mail{anna, large},
			mail{ben, "damaged here"}, mail{ben, "dropped"}, mail{anna, "last\r\n"}, mail{ben, "header damaged"})
		patch(t, bodies, places[3], 4, "X")
		patch(t, bodies, places[4], -segment.HeaderSize, strings.Repeat("\x00", segment.HeaderSize+int(places[4].Length))) // its space was given back
		patch(t, bodies, places[6], -50, "X")
		if err := os.WriteFile(filepath.Join(bodies, "upload-1.part"), []byte("not a segment"), 0o600); err != nil {
			t.Fatal(err)
		}

		report, out := save(t, dir)
		if len(report.Accounts) != 2 || report.Mails != 4 || report.Skipped != 2 || len(report.Problems) != 0 {
			t.Fatalf("below %q: got %+v", below, report)
		}
		// The damaged record without zeros at its end, and the last one.
		if want := places[3].Length + places[6].Length + 2*segment.HeaderSize; report.SkippedOctets != want {
			t.Errorf("below %q: skipped %d octets, want %d", below, report.SkippedOctets, want)
		}
		a, b := report.Accounts[0], report.Accounts[1]
		if a.File != "aa010000000000000000000000000000.mbox" || a.Mails != 3 || b.Mails != 1 {
			t.Errorf("below %q: got %+v, %+v", below, a, b)
		}
		want := from + "Subject: 1\n\nFrom\n>From here\n\n" + from + strings.ReplaceAll(large, "\r\n", "\n") + "\n" + from + "last\n\n"
		if got := content(t, out, a); got != want {
			t.Errorf("below %q: got %.300q", below, got)
		}
		if got := content(t, out, b); got != from+"Subject: 2\n\nx\n\n" {
			t.Errorf("below %q: got %q", below, got)
		}
	}
}

func TestUnknownVersionIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	places := write(t, dir, mail{anna, "first"}, mail{anna, "second"}, mail{anna, "third"})
	f, err := os.OpenFile(filepath.Join(dir, segment.Name(places[1].Segment)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	header := make([]byte, segment.HeaderSize)
	if _, err := f.ReadAt(header, int64(places[1].Offset)-segment.HeaderSize); err != nil {
		t.Fatal(err)
	}
	header[5] = 99
	sum(header)
	patch(t, dir, places[1], -segment.HeaderSize, string(header))
	report, _ := save(t, dir)
	if report.Mails != 1 || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "unknown version") || report.Skipped != 1 {
		t.Errorf("got %+v", report)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bodies"), mail{anna, "first"})
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	for _, test := range []struct{ dir, out, want string }{
		{dir, full, "is not empty"},
		{dir, filepath.Join(full, "x"), "not a directory"},
		{dir, dir, "is within"},
		{dir, filepath.Join(dir, "a", "b"), "is within"},
		{dir, filepath.Join(link, "saved"), "is within"},
		{link, filepath.Join(dir, "saved"), "is within"},
		{filepath.Join(dir, "none"), filepath.Join(full, "saved"), "is no folder of a store"},
		{full, filepath.Join(full, "saved"), "holds no segment"},
	} {
		if _, err := Run(test.dir, test.out, func(string) {}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s to %s: got %v, want %q", test.dir, test.out, err, test.want)
		}
	}
	if snapshot(t, dir) != before {
		t.Error("the store was changed")
	}
	if _, err := Run(dir, t.TempDir(), func(string) {}); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	bare := t.TempDir() // of a box that never had a mail
	write(t, filepath.Join(bare, "bodies"))
	if report, err := Run(bare, filepath.Join(full, "saved"), func(string) {}); err != nil || report.Mails != 0 {
		t.Errorf("no segment: got %+v, %v", report, err)
	}
	if _, err := Run(dir, dir+"-saved", func(string) {}); err != nil {
		t.Errorf("a name that begins alike: %v", err)
	}
}

// failingDisk can't read some blocks.
type failingDisk struct {
	*bytes.Reader
	bad map[int64]bool
}

var errDisk = errors.New("input/output error")

func (d failingDisk) ReadAt(p []byte, at int64) (int, error) {
	for i := at; i < at+int64(len(p)) && i < d.Size(); i++ {
		if d.bad[i/block] {
			n, _ := d.Reader.ReadAt(p[:i-at], at)
			return n, errDisk
		}
	}
	return d.Reader.ReadAt(p, at)
}

func TestReadsAroundWhatTheDiskLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := strings.Repeat("0123456789abcdef", 200)
	var mails []mail
	for range 20 {
		mails = append(mails, mail{anna, text})
	}
	places := write(t, dir, mails...)
	octets, err := os.ReadFile(filepath.Join(dir, segment.Name(places[0].Segment)))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[int64]bool{2: true, 9: true}
	f := &file{ReaderAt: failingDisk{bytes.NewReader(octets), bad}, size: int64(len(octets)), unreadable: make(map[int64]bool)}
	lost := 0
	for _, l := range places {
		for b := (int64(l.Offset) - segment.HeaderSize) / block; b <= int64(l.Offset+l.Length-1)/block; b++ {
			if bad[b] {
				lost++
				break
			}
		}
	}
	found := 0
	err = segment.Scan(f, func(_ segment.Header, _ uint64, body io.Reader) error {
		found++
		got, err := io.ReadAll(body)
		if string(got) != text {
			t.Errorf("another body was found: %.50q", got)
		}
		return err
	})
	if err != nil || lost == 0 || found != len(places)-lost {
		t.Errorf("found %d of %d, %d of them lost; %v", found, len(places), lost, err)
	}
	if len(f.unreadable) != 2 || !errors.Is(f.err, errDisk) {
		t.Errorf("unreadable: %v, %v", f.unreadable, f.err)
	}
}
