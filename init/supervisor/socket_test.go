package supervisor

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestListenUnix(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "pop3.sock")
	first, err := ListenUnix("pop3", path, -1)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v: want 0600", info.Mode(), err)
	}
	if _, err := ListenUnix("pop3", path, -1); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a socket that is in use: %v", err)
	}
	first.File.Close() // its file stays, as after a crash
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	second, err := ListenUnix("pop3", path, -1)
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	second.File.Close()

	plain := file(t, folder, "notes")
	if _, err := ListenUnix("pop3", plain, -1); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("over a plain file: %v", err)
	}
	if _, err := os.Stat(plain); err != nil {
		t.Error("the plain file is gone")
	}
}

func TestListenUnixPathLength(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	for length, fits := range map[int]bool{106: true, 107: true, 108: false, 200: false} {
		path := folder + "/" + strings.Repeat("x", length-len(folder)-1)
		socket, err := ListenUnix("admin", path, -1)
		if fits != (err == nil) {
			t.Errorf("a path of %d octets: %v", length, err)
		}
		if err == nil {
			socket.File.Close()
		} else if !strings.Contains(err.Error(), "can have 107") {
			t.Errorf("a path of %d octets: the error doesn't name the limit: %v", length, err)
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	socket := listen(t, "pop3.listen")
	defer socket.File.Close()
	if _, port, err := net.SplitHostPort(socket.Address); err != nil || port == "0" {
		t.Errorf("address %q: want the real port", socket.Address)
	}
	_, err := Listen("pop3.listen", socket.Address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("the same address again: %v, want %v", err, syscall.EADDRINUSE)
	}
	if want := `listen for pop3.listen on "` + socket.Address + `": `; err != nil && !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %q, want it to begin with %q", err, want)
	}
}

// To pass a socket on must not change how another process waits at it.
func TestDescriptorKeepsBlockingMode(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	f, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := descriptor(f)
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, error %v: the socket is blocking now", flags, err)
	}
}
