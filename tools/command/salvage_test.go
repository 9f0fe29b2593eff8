package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreSalvage(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.enrol(t, "anna@pop3.example.org")
	b.put(t, id, []byte("Subject: one\r\n\r\nFrom here on\r\n"))
	b.put(t, id, []byte("Subject: two\r\n\r\n"))
	b.validate(t)
	b.stop()
	damage(t, b.data, "Subject: two")
	// Neither index nor notes nor key are left.
	dir := hosted(b.data)
	for _, name := range []string{"index.db", "index.state", "notes"} {
		if err := os.RemoveAll(filepath.Join(dir.store(), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(dir.keyFile()); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "saved")
	r := postroom(t, "", "store", "salvage", b.data, "--output", saved)
	if r.status != 0 || r.err != "" || !strings.HasSuffix(r.out, "\n1 mail whole, 30 B; skipped: 1 place without a whole one, 96 B\n") {
		t.Errorf("got %+v", r)
	}
	names, err := filepath.Glob(filepath.Join(saved, "*.mbox"))
	if err != nil || len(names) != 1 {
		t.Fatalf("got %q, %v", names, err)
	}
	if got := readMbox(t, names[0]); len(got) != 1 || string(got[0]) != "Subject: one\n\nFrom here on\n" {
		t.Errorf("got %q", got)
	}
	r = postroom(t, "", "store", "salvage", b.data, "--output", filepath.Join(saved, "again"), "--json")
	if r.status != 0 || !strings.Contains(r.out, `"skipped_octets": 96`) || !strings.Contains(r.out, `"mails": 1`) {
		t.Errorf("got %+v", r)
	}
	if r := postroom(t, "", "store", "salvage", b.data, "--output", saved); r.status != 1 || !strings.Contains(r.err, "is not empty") {
		t.Errorf("got %+v", r)
	}
}
