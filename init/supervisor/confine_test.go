package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestConfine(t *testing.T) {
	t.Parallel()
	// What a careless parent leaves open must not reach a service.
	leak := file(t, t.TempDir(), "leak")
	fd, err := unix.Open(leak, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)

	s := run(t, Config{})
	first, second := listen(t, "pop3.listen"), listen(t, "pop3.listen_tls")
	s.add(t, Service{
		Name: "pop3", Sockets: []Socket{first, second}, Watchdog: time.Minute,
		Env: []string{"HOME=/nowhere", "LISTEN_PID=1", "NOTIFY_SOCKET=/of/another/manager"},
	})
	s.ready(t)
	l := dial(t, second)
	pid := l.ask(t, "pid")
	for _, test := range []struct{ question, want string }{
		{"env LISTEN_PID", pid},
		{"env LISTEN_FDS", "2"},
		{"env LISTEN_FDNAMES", "pop3.listen:pop3.listen_tls"},
		{"env WATCHDOG_USEC", "60000000"},
		{"env WATCHDOG_PID", pid},
		{"env HOME", "/nowhere"},
		{"env PATH", "none"},
		{"status NoNewPrivs", "1"},
		{"status CapEff", "0000000000000000"},
		{"status CapPrm", "0000000000000000"},
		{"status CapInh", "0000000000000000"},
		{"status CapAmb", "0000000000000000"},
		{"status Umask", "0077"},
	} {
		if got := l.ask(t, "%s", test.question); got != test.want {
			t.Errorf("%s: %q, want %q", test.question, got, test.want)
		}
	}
	if got := l.ask(t, "descriptors"); strings.Contains(got, leak) {
		t.Errorf("the service holds %s, of the supervisor's process: %s", leak, got)
	}
}

func TestLandlock(t *testing.T) {
	t.Parallel()
	readable, writable, closed := t.TempDir(), t.TempDir(), t.TempDir()
	for _, folder := range []string{readable, writable, closed} {
		file(t, folder, "a")
		if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	single := file(t, closed, "single")

	s := run(t, Config{})
	socket := listen(t, "pop3.listen")
	folders := &Folders{Read: []string{readable, single}, Write: []string{writable}, Exec: libraries()}
	s.add(t, Service{Name: "pop3", Sockets: []Socket{socket}, Folders: folders})
	s.ready(t)
	l := dial(t, socket)
	tests := []struct {
		question string
		refused  bool
	}{
		{"read " + readable + "/a", false},
		{"list " + readable, false},
		{"write " + readable + "/a", true},
		{"write " + readable + "/b", true},
		{"remove " + readable + "/a", true},
		{"read " + writable + "/a", false},
		{"write " + writable + "/a", false},
		{"write " + writable + "/sub/b", false},
		{"truncate " + writable + "/a", false},
		{"rename " + writable + "/sub/b " + writable + "/b", false},
		{"rename " + writable + "/b " + readable + "/b", true},
		{"remove " + writable + "/b", false},
		{"read " + single, false},
		{"write " + single, true},
		{"read " + closed + "/a", true},
		{"list " + closed, true},
		{"write " + closed + "/a", true},
		{"list /", true},
		{"read /etc/passwd", true},
	}
	for _, test := range tests {
		got := l.ask(t, "%s", test.question)
		if refused := strings.HasSuffix(got, "permission denied") || strings.HasSuffix(got, "cross-device link"); refused != test.refused {
			t.Errorf("%s: %q, want it refused: %v", test.question, got, test.refused)
		}
	}
}

// libraries are what a test binary with the race detector is linked to.
func libraries() (paths []string) {
	for _, path := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"} {
		if _, err := os.Stat(path); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

func TestConfineRefuses(t *testing.T) {
	t.Parallel()
	reaper := NewReaper(false)
	t.Cleanup(reaper.Close)
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no arguments", nil, "the supervisor starts this program"},
		{"bad instructions", []string{"{", "pop3"}, "read the instructions"},
		{"a folder that is missing", []string{`{"Folders":{"Read":["/nonexistent"]}}`, "pop3"}, "stat /nonexistent: no such file or directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			exit, output := stage(t, reaper, test.args...)
			if exit.Status != exitConfine || !strings.Contains(output, test.want) {
				t.Errorf("%v, output %q: want exit status %d and %q", exit, output, exitConfine, test.want)
			}
		})
	}
}

// stage runs Confine as a program.
func stage(t *testing.T, reaper *Reaper, args ...string) (Exit, string) {
	t.Helper()
	exit, output, err := reaper.Run(t.Context(), append([]string{link(t, stageName)}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return exit, string(output)
}

// link gives a path that runs the test binary under a name.
func link(t *testing.T, name string) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(binary, path); err != nil {
		t.Fatal(err)
	}
	return path
}
