//go:build root

package supervisor

// What only root can try: user ids, the bounding set, cgroups. Needs a cgroup 2 tree; limits of memory
// are tried where its memory controller is free to be used, as in the appliance.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const someUID, someGID, someGroup = 40123, 40124, 40125

func TestUserAndCapabilities(t *testing.T) {
	t.Parallel()
	s := run(t, Config{})
	socket := listen(t, "pop3.listen")
	s.add(t, Service{
		Name: "pop3", Sockets: []Socket{socket}, Umask: 0o027,
		UID: someUID, GID: someGID, Groups: []int{someGroup},
		Folders: &Folders{Exec: append(libraries(), "/proc")},
	})
	s.ready(t) // so a notification of another user id is heard
	l := dial(t, socket)
	ids := func(id int) string { return strings.TrimSpace(strings.Repeat(fmt.Sprintf("%d ", id), 4)) }
	for _, test := range []struct{ question, want string }{
		{"status Uid", ids(someUID)},
		{"status Gid", ids(someGID)},
		{"status Groups", fmt.Sprint(someGroup)},
		{"status CapBnd", "0000000000000000"},
		{"status CapEff", "0000000000000000"},
		{"status CapPrm", "0000000000000000"},
		{"status CapInh", "0000000000000000"},
		{"status CapAmb", "0000000000000000"},
		{"status NoNewPrivs", "1"},
		{"status Umask", "0027"},
	} {
		if got := l.ask(t, "%s", test.question); got != test.want {
			t.Errorf("%s: %q, want %q", test.question, got, test.want)
		}
	}
	if status := s.status(t, "pop3"); status.Memory < 1<<20 {
		t.Errorf("memory of another user's service: %d octets", status.Memory)
	}
}

// Root that stays root has no capability either: file modes hold for it.
func TestRootWithoutCapabilities(t *testing.T) {
	t.Parallel()
	path := file(t, t.TempDir(), "notes")
	if err := errors.Join(os.Chown(path, someUID, someGID), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := run(t, Config{})
	socket := listen(t, "pop3.listen")
	s.add(t, Service{Name: "pop3", Sockets: []Socket{socket}})
	s.ready(t)
	l := dial(t, socket)
	if got := l.ask(t, "status CapBnd"); got != "0000000000000000" {
		t.Errorf("bounding set %s, want none", got)
	}
	if got := l.ask(t, "truncate %s", path); !strings.HasSuffix(got, "permission denied") {
		t.Errorf("truncate another user's file: %q", got)
	}
}

func TestServicesOfOthersDieWithTheSupervisor(t *testing.T) {
	t.Parallel()
	killManager(t, fmt.Sprint(someUID))
}

func TestListenUnixForAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pop3.sock")
	socket, err := ListenUnix("pop3", path, someUID)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.File.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != someUID || info.Mode().Perm() != 0o600 {
		t.Errorf("owner %d, mode %v: want %d, 0600", got, info.Mode(), someUID)
	}
}

func TestCgroup(t *testing.T) {
	t.Parallel()
	root := filepath.Join(cgroup2(t), "postroom-test-placement")
	t.Cleanup(func() { os.Remove(root) })
	s := run(t, Config{Cgroup: root})
	socket := listen(t, "pop3.listen")
	s.add(t, Service{Name: "pop3", Sockets: []Socket{socket}})
	s.ready(t)
	pid := s.status(t, "pop3").PID
	procs, err := os.ReadFile(filepath.Join(root, "pop3.1", "cgroup.procs"))
	if err != nil || strings.TrimSpace(string(procs)) != fmt.Sprint(pid) {
		t.Errorf("processes %q, error %v: want %d", procs, err, pid)
	}
	if err := s.Replace(t.Context(), Service{Name: "pop3", Sockets: []Socket{socket}}); err != nil {
		t.Fatal(err)
	}
	s.until(t, "pop3", func(status ServiceStatus) bool { return status.Draining == 0 })
	s.stop()
	left, err := filepath.Glob(filepath.Join(root, "pop3.*"))
	if err != nil || len(left) != 0 {
		t.Errorf("cgroups left behind: %q, error %v", left, err)
	}
}

// cgroup2 finds where the cgroup 2 tree is mounted.
func cgroup2(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(path, "cgroup.controllers")); err == nil {
			return path
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	t.Fatal("no cgroup 2 tree is mounted")
	return ""
}
