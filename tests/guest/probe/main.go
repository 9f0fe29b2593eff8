//go:build linux

// Probe is Postroom, except that each service first tries what only others may, from within its confinement, and that
// init reads back what each was started with. It tells of both on standard error.
package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	pid1 "postroom/init"
	"postroom/init/supervisor"
	"postroom/services/console"
	"postroom/services/fetcher"
	"postroom/services/pop3"
	"postroom/services/smtp"
	"postroom/services/store"
	"postroom/services/validator"
)

var services = map[string]func(args []string) int{
	"store": store.Main, "pop3": pop3.Main, "smtp": smtp.Main, "fetcher": fetcher.Main, "validator": validator.Main, "console": console.Main,
}

func main() {
	name := filepath.Base(os.Args[0])
	switch name {
	case "init":
		go readBack()
		os.Exit(pid1.Main(os.Args))
	case "confine":
		os.Exit(supervisor.Confine(os.Args[1:]))
	}
	run, ok := services[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: not a program of Postroom\n", name)
		os.Exit(2)
	}
	for _, one := range probes() {
		result := "allowed"
		if err := one.try(); err != nil {
			result = errno(err)
		}
		fmt.Fprintf(os.Stderr, "probe %s %s %s: %s\n", name, one.what, one.target, result)
	}
	os.Exit(run(os.Args))
}

type probe struct {
	what, target string
	try          func() error
}

// files are of every owner.
var files = []string{
	"/boot/postroom.toml", "/boot/postroom/machine.key",
	"/run/key/machine.key", "/run/console/client-keys.pem",
	"/data/store/index.db", "/data/store/notes/00000001.log", "/data/store/bodies/00000001.seg", "/data/log/current",
	"/dev/vda", "/dev/mem", "/proc/1/environ", "/proc/sys/kernel/core_pattern", "/bin/postroom", "/etc/resolv.conf",
}

var folders = []string{"/", "/boot", "/data/store", "/data/store/notes", "/data/store/bodies", "/data/log", "/run/key", "/run/console", "/tmp"}

var callers = []string{"pop3", "smtp", "fetcher", "validator", "console", "admin", "init"}

func probes() (all []probe) {
	for _, name := range files {
		all = append(all,
			probe{"read", name, func() error { return open(name, os.O_RDONLY) }},
			probe{"write", name, func() error { return open(name, os.O_WRONLY) }},
		)
		if !strings.HasPrefix(name, "/dev/") { // a device has no length
			all = append(all, probe{"truncate", name, func() error { return truncate(name) }})
		}
	}
	for _, name := range folders {
		all = append(all, probe{"make-in", name, func() error { return create(filepath.Join(name, "probe")) }})
	}
	for _, caller := range callers {
		name := "/run/postroom/" + caller + ".sock"
		all = append(all, probe{"connect", name, func() error { return connect(name) }})
	}
	return append(all,
		probe{"signal", "init", func() error { return syscall.Kill(1, 0) }},
		probe{"trace", "init", func() error { return syscall.PtraceAttach(1) }},
		probe{"become", "root", func() error { return syscall.Setresuid(0, 0, 0) }},
		probe{"mount", "/tmp", func() error { return syscall.Mount("tmpfs", "/tmp", "tmpfs", 0, "") }},
		probe{"name", "host", func() error { return syscall.Sethostname([]byte("probe")) }},
		probe{"packets", "raw", func() error {
			fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
			if err == nil {
				syscall.Close(fd)
			}
			return err
		}},
	)
}

func open(name string, how int) error {
	f, err := os.OpenFile(name, how, 0)
	if err == nil {
		f.Close()
	}
	return err
}

// truncate harms nothing of what may be truncated: the length stays.
func truncate(name string) error {
	var length int64
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		length = info.Size()
	}
	return os.Truncate(name, length)
}

func create(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		f.Close()
		os.Remove(name)
	}
	return err
}

func connect(name string) error {
	c, err := net.Dial("unix", name)
	if err == nil {
		c.Close()
	}
	return err
}
