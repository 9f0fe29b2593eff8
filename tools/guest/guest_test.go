package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWaitFindsWholeLines(t *testing.T) {
	t.Parallel()
	var copied bytes.Buffer
	s := newSerial(&copied)
	found := make(chan string)
	go func() {
		line, err := s.wait(t.Context(), "ready")
		if err != nil {
			line = err.Error()
		}
		found <- line
	}()
	for _, piece := range []string{"booting\r\nall ", "is rea", "dy: yes\r", "\nmore"} {
		io.WriteString(s, piece)
	}
	if line := <-found; line != "all is ready: yes" {
		t.Errorf("line %q", line)
	}
	if line, err := s.wait(t.Context(), "booting"); line != "booting" || err != nil {
		t.Errorf("an earlier line: %q, %v", line, err)
	}
	s.end()
	if _, err := s.wait(t.Context(), "never"); !errors.Is(err, ErrEnded) {
		t.Errorf("after the end: %v, want ErrEnded", err)
	}
	if want := "booting\r\nall is ready: yes\r\nmore"; copied.String() != want || s.tail(4) != "more" {
		t.Errorf("copied %q, tail %q", copied.String(), s.tail(4))
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newSerial(nil).wait(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestNetworkIsClosedUnlessOpened(t *testing.T) {
	t.Parallel()
	c := Config{
		Forward: []Forward{{Host: "127.0.0.1:1995", Guest: 995}},
		Provide: []Provide{{Address: "10.0.2.100:995", Command: "postroom pipe 127.0.0.1:2995"}},
	}
	for open, want := range map[bool]string{
		false: "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:1995-:995,guestfwd=tcp:10.0.2.100:995-cmd:postroom pipe 127.0.0.1:2995",
		true:  "user,id=net,hostfwd=tcp:127.0.0.1:1995-:995,guestfwd=tcp:10.0.2.100:995-cmd:postroom pipe 127.0.0.1:2995",
	} {
		c.Open = open
		if got := network(c); got != want {
			t.Errorf("open %v: %s\nwant %s", open, got, want)
		}
	}
}

func TestPipeCarriesBothWays(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		line := make([]byte, 4)
		io.ReadFull(conn, line)
		io.WriteString(conn, strings.ToUpper(string(line)))
	}()
	in, write := io.Pipe()
	go io.WriteString(write, "ping")
	var out bytes.Buffer
	if err := Pipe(l.Addr().String(), in, &out); err != nil || out.String() != "PING" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestDiskIsACopyThatIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	content := slices.Concat(make([]byte, 3<<20), []byte("something"), make([]byte, 1<<20))
	if err := os.WriteFile(image, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Image: image, Disk: filepath.Join(dir, "disk"), DiskSize: 8 << 20}
	if err := prepareDisk(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(c.Disk)
	if err != nil || len(got) != 8<<20 || !bytes.Equal(got[:len(content)], content) {
		t.Fatalf("the disk has %d octets and is no copy; %v", len(got), err)
	}
	if err := os.WriteFile(c.Disk, []byte("used"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := prepareDisk(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(c.Disk); string(got) != "used" {
		t.Errorf("a disk that was there was made anew; %v", err)
	}
	c.Disk, c.Files = filepath.Join(dir, "other"), map[string][]byte{"postroom.toml": nil}
	if err := prepareDisk(t.Context(), c); err == nil {
		t.Error("a file was put on a disk without a partition")
	}
	if left, _ := filepath.Glob(c.Disk + "*"); left != nil {
		t.Errorf("%q is left of a disk that could not be made", left)
	}
}
