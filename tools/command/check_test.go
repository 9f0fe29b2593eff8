package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damage changes an octet of a body that holds text.
func damage(t *testing.T, data, text string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(hosted(data).store(), "bodies", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(content), text)
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte{content[at] ^ 1}, int64(at)); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no body holds %q", text)
}

func TestStoreCheck(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.enrol(t, "anna@pop3.example.org")
	b.put(t, id, []byte("Subject: x\r\n\r\none\r\n"))
	b.validate(t)
	b.put(t, id, []byte("Subject: x\r\n\r\ntwo\r\n"))
	if got := b.on(t, "store", "check"); got != "2 messages, 38 B, 0 problems\n" {
		t.Errorf("got %q", got)
	}
	damage(t, b.data, "one")
	r := postroom(t, b.data, "store", "check")
	if r.status != 1 || r.err != "" || !strings.HasPrefix(r.out, "queue out, message ") || !strings.HasSuffix(r.out, "\n2 messages, 38 B, 1 problem\n") {
		t.Errorf("got %+v", r)
	}

	// The same of a box that is stopped.
	b.stop()
	r = postroom(t, b.data, "store", "check", "--json")
	if r.status != 1 || !strings.Contains(r.err, "its store is opened here") || !strings.Contains(r.out, `"messages": 2`) || !strings.Contains(r.out, "queue out, message ") {
		t.Errorf("got %+v", r)
	}
	if r := postroom(t, b.data, "status"); r.status != 1 || !strings.Contains(r.err, "no box answers at") {
		t.Errorf("got %+v", r)
	}
}

// A store that a process has open, but that doesn't answer on its socket, is not opened a second time.
func TestStoreIsNotOpenedTwice(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if err := os.Remove(b.socket("admin")); err != nil {
		t.Fatal(err)
	}
	if r := postroom(t, b.data, "store", "check"); r.status != 1 || !strings.Contains(r.err, "is open in another process") {
		t.Errorf("got %+v", r)
	}
	b.enrol(t, "anna@pop3.example.org") // it goes on
}

func TestStoreOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // a file can't be given away
	}
	b := newBox(t)
	b.stop()
	if err := os.Chown(hosted(b.data).store(), 65534, -1); err != nil {
		t.Fatal(err)
	}
	if r := postroom(t, b.data, "store", "check"); r.status != 1 || !strings.Contains(r.err, "belongs to user id 65534") {
		t.Errorf("got %+v", r)
	}
}
