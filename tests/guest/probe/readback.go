//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errno gives the system's name for an error.
func errno(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

// readBack tells of each service once, when it runs under its own name: its user, capabilities and limits as the kernel
// has them.
func readBack() {
	told := make(map[string]bool)
	for range time.Tick(100 * time.Millisecond) {
		processes, _ := filepath.Glob("/proc/[0-9]*")
		for _, process := range processes {
			line, _ := os.ReadFile(process + "/cmdline")
			name, _, _ := strings.Cut(string(line), "\x00")
			if services[name] == nil || told[name] {
				continue
			}
			told[name] = true
			fmt.Fprintf(os.Stderr, "readback %s %s %s\n", name, status(process), limits(process))
		}
		if len(told) == len(services) {
			for _, name := range files {
				if _, err := os.Stat(name); err != nil {
					fmt.Fprintf(os.Stderr, "readback %v\n", err)
				}
			}
			fmt.Fprintln(os.Stderr, "readback whole")
			return
		}
	}
}

// status gives the lines of /proc/PID/status that count, as NAME=VALUE,VALUE….
func status(process string) string {
	text, err := os.ReadFile(process + "/status")
	if err != nil {
		return err.Error()
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs":
			words = append(words, name+"="+strings.Join(strings.Fields(value), ","))
		}
	}
	return strings.Join(words, " ")
}

// openFiles gives how many a process may have.
func openFiles(process string) string {
	text, err := os.ReadFile(process + "/limits")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "Max open files"); found {
			return strings.Join(strings.Fields(rest)[:2], ",")
		}
	}
	return "none"
}

// limits gives the limits of a process's cgroup, in MiB and tasks, and of its open files.
func limits(process string) string {
	text, err := os.ReadFile(process + "/cgroup")
	if err != nil {
		return err.Error()
	}
	_, group, _ := strings.Cut(strings.TrimSpace(string(text)), "::")
	value := func(file string) string {
		text, err := os.ReadFile("/sys/fs/cgroup" + group + "/" + file)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(text))
	}
	memory := value("memory.max")
	if octets, err := strconv.ParseUint(memory, 10, 64); err == nil {
		memory = fmt.Sprintf("%dMiB", octets>>20)
	}
	return fmt.Sprintf("memory.max=%s memory.oom.group=%s pids.max=%s open.files=%s",
		memory, value("memory.oom.group"), value("pids.max"), openFiles(process))
}
