package journal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

type buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func TestLinesGoToConsoleAndFile(t *testing.T) {
	t.Parallel()
	var console buffer
	folder := filepath.Join(t.TempDir(), "log")
	j := New(&console)
	j.Write([]byte("before\n"))
	if err := j.Keep(folder); err != nil {
		t.Fatal(err)
	}
	w, err := j.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "of a service\nlast words")
	w.Close()
	j.Close()
	const want = "before\nof a service\nlast words\n"
	if got := console.all.String(); got != want {
		t.Errorf("console got %q, want %q", got, want)
	}
	file, err := os.ReadFile(filepath.Join(folder, "current"))
	if err != nil || string(file) != want {
		t.Errorf("file holds %q, %v, want %q", file, err, want)
	}
	j.Write([]byte("too late\n"))
}

// stuck is a place that takes nothing until it is let go.
type stuck struct {
	buffer
	entered, release chan struct{}
	once             sync.Once
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.entered) })
	<-s.release
	return s.buffer.Write(p)
}

func TestNobodyWaitsForASlowConsole(t *testing.T) {
	t.Parallel()
	console := &stuck{entered: make(chan struct{}), release: make(chan struct{})}
	j := New(console)
	j.Write([]byte("first\n"))
	<-console.entered
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 2 * maxWaiting / len(line) {
		j.Write(line)
	}
	close(console.release)
	j.Close()
	want := fmt.Sprintf("lines=%d", maxWaiting/len(line))
	if got := console.all.String(); !strings.Contains(got, want) {
		t.Errorf("console got %d octets that end in %q, want a line with %q", len(got), got[max(0, len(got)-100):], want)
	}
}

func TestTheRingIsBounded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	r, err := openRing(folder, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := fmt.Fprintf(r, "line %03d %s\n", i, strings.Repeat("x", 40)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var all string
	for _, name := range []string{"previous", "current"} {
		file, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || len(file) > 1000 || len(file) == 0 {
			t.Errorf("%s: %d octets, %v", name, len(file), err)
		}
		all += string(file)
	}
	if !strings.HasSuffix(all, "line 099 "+strings.Repeat("x", 40)+"\n") || !strings.HasPrefix(all, "line 0") {
		t.Errorf("the ring holds %q", all)
	}
}

func TestTheRingGoesOnAfterAStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for range 2 {
		r, err := openRing(folder, 1000)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(r, "a start\n")
		r.Close()
	}
	file, err := os.ReadFile(filepath.Join(folder, "current"))
	if err != nil || string(file) != "a start\na start\n" {
		t.Errorf("file holds %q, %v", file, err)
	}
}
