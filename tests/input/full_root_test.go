//go:build root

package input

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tests/hosted"

	"golang.org/x/sys/unix"
)

const full = "less than 16 MiB are free on the data partition: no mail is taken in until there is room; what is here is served"

// A disk that fills stops fetching before intake would fail: mail stays at the provider, what is there is served,
// and when there is room again the box goes on by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	dir := hosted.Folder(t)
	disk := mountSmall(t, filepath.Join(dir, "data")) // Box.Data
	box := hosted.StartIn(t, dir, hosted.Settings(p))

	first, rest := message(0, 1<<10), [][]byte{message(1, 3<<20)}
	for i := range 20 {
		rest = append(rest, message(2+i, 4<<10))
	}
	if err := p.Fill(hosted.WebUser, [][]byte{first}); err != nil {
		t.Fatal(err)
	}
	poll := func(name string, want int) [][]byte {
		t.Helper()
		mails, err := box.Poll(name, hosted.Password)
		if err != nil || len(mails) != want {
			t.Fatalf("poll of %s: %d mails, %v; want %d", name, len(mails), err, want)
		}
		var list [][]byte
		for _, m := range mails {
			list = append(list, m.Octets)
		}
		return list
	}
	poll(hosted.WebName, 0)
	box.Until("the first mail", hosted.Waiting(hosted.WebName, 1))

	disk.fill(8 << 20)
	if err := p.Fill(hosted.WebUser, rest); err != nil {
		t.Fatal(err)
	}
	got := poll(hosted.WebName, 1) // served, and off its queue; the fetch behind it isn't begun
	box.Until("the condition", holds(contract.ConditionDiskFull))
	status, _, _ := box.Command("status")
	if !strings.HasPrefix(status, "! disk-full since ") || !strings.Contains(status, "\n  "+full+"\n") {
		t.Errorf("status doesn't say %q:\n%s", full, status)
	}
	if strings.Contains(status, "! provider ") {
		t.Errorf("status blames the provider:\n%s", status)
	}
	if n, err := p.Count(hosted.WebUser); err != nil || n != len(rest) {
		t.Errorf("the provider holds %d mails, %v; want all %d", n, err, len(rest))
	}
	poll(hosted.WebName, 0)
	poll(hosted.GMXName, 0) // a new account finds room

	disk.empty()
	box.Until("all mail", hosted.Waiting(hosted.WebName, uint64(len(rest))))
	box.Until("no condition", func(s *contract.GetStatusResponse) bool { return len(s.Conditions) == 0 })
	got = append(got, poll(hosted.WebName, len(rest))...)
	if missing, extra := hosted.Missing(append(rest, first), got); missing != 0 || extra != 0 {
		t.Errorf("%d mails are missing, %d too many", missing, extra)
	}
	box.Until("an empty provider", func(*contract.GetStatusResponse) bool {
		n, err := p.Count(hosted.WebUser)
		return err == nil && n == 0
	})
	if out, errs, status := box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}

func message(n, size int) []byte {
	m := fmt.Appendf(nil, "From: a@example.org\r\nSubject: mail %d\r\n\r\n", n)
	for i := 0; len(m) < size; i++ {
		m = fmt.Appendf(m, "line %d of mail %d, which takes up room\r\n", i, n)
	}
	return m
}

// smallDisk is a file system of a data folder.
type smallDisk struct {
	t   *testing.T
	dir string
}

// mountSmall puts a small file system at a folder until the test ends.
func mountSmall(t *testing.T, dir string) smallDisk {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("postroom-test", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=64m,mode=700"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the small file system: %v", err)
		}
	})
	return smallDisk{t, dir}
}

func (d smallDisk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves so many octets free.
func (d smallDisk) fill(left uint64) {
	d.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		d.t.Fatal(err)
	}
	f, err := os.Create(d.ballast())
	if err != nil {
		d.t.Fatal(err)
	}
	free := st.Bavail * uint64(st.Bsize)
	if err := errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, int64(free-left)), f.Close()); err != nil {
		d.t.Fatalf("take %d of %d octets: %v", free-left, free, err)
	}
}

func (d smallDisk) empty() {
	d.t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}
