package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// cgroups makes one cgroup an instance: while a service is replaced, two run, each with its own limit.
type cgroups struct {
	root string // empty: none are made

	mu   sync.Mutex // guards what follows
	made int
	left []string // removed by now but for a process that the kernel still takes apart
}

// A cgroup is a folder in a cgroup 2 tree (the kernel's admin-guide/cgroup-v2.rst); nil: none.
type cgroup struct {
	all    *cgroups
	path   string
	folder *os.File // for the start; nil once that is done
}

func (c *cgroups) create(service Service) (*cgroup, error) {
	if c.root == "" {
		if service.Memory > 0 || service.Tasks > 0 {
			return nil, errors.New("limits need a cgroup, and the supervisor has none")
		}
		return nil, nil
	}
	group, err := c.make(service)
	if err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	return group, nil
}

func (c *cgroups) make(service Service) (*cgroup, error) {
	c.mu.Lock()
	c.made++
	path := filepath.Join(c.root, fmt.Sprintf("%s.%d", service.Name, c.made))
	c.sweep()
	c.mu.Unlock()

	limits := limitsOf(service)
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return nil, err
	}
	for _, parent := range []string{filepath.Dir(c.root), c.root} {
		for _, controller := range limits.controllers() {
			if err := write(parent, "cgroup.subtree_control", "+"+controller); err != nil {
				return nil, err
			}
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	group := &cgroup{all: c, path: path}
	for _, l := range limits {
		if err := write(path, l.file, l.value); err != nil {
			group.remove()
			return nil, err
		}
	}
	folder, err := os.Open(path)
	if err != nil {
		group.remove()
		return nil, err
	}
	group.folder = folder
	return group, nil
}

// A limit is a file of a cgroup with what is written there; the part before the dot names its controller.
type limit struct{ file, value string }

type limits []limit

func limitsOf(service Service) (all limits) {
	if service.Memory > 0 {
		all = append(all, limit{"memory.max", strconv.FormatUint(service.Memory, 10)}, limit{"memory.oom.group", "1"})
	}
	if service.Tasks > 0 {
		all = append(all, limit{"pids.max", strconv.Itoa(service.Tasks)})
	}
	return all
}

func (all limits) controllers() (names []string) {
	for _, l := range all {
		name, _, _ := strings.Cut(l.file, ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func write(folder, file, value string) error {
	f, err := os.OpenFile(filepath.Join(folder, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %q: %w", value, err)
	}
	return nil
}

func (g *cgroup) descriptor() int {
	fd, _ := descriptor(g.folder) // it was just opened
	return int(fd)
}

// started is called when the instance has been started, or not.
func (g *cgroup) started() {
	if g != nil {
		g.folder.Close()
	}
}

// ranOut tells whether the kernel killed the instance for its memory.
func (g *cgroup) ranOut() bool {
	if g == nil {
		return false
	}
	events, err := os.ReadFile(filepath.Join(g.path, "memory.events"))
	if err != nil { // no limit of memory, no such file
		return false
	}
	for line := range bytes.Lines(events) {
		if count, found := bytes.CutPrefix(line, []byte("oom_kill ")); found {
			return string(bytes.TrimSpace(count)) != "0"
		}
	}
	return false
}

// remove ends what else is in the cgroup and removes it, now or when the next one is made.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	write(g.path, "cgroup.kill", "1") // missing before Linux 5.14; services start no processes
	g.all.mu.Lock()
	defer g.all.mu.Unlock()
	g.all.left = append(g.all.left, g.path)
	g.all.sweep()
}

// sweep removes what can be removed. The caller holds mu.
func (c *cgroups) sweep() {
	c.left = slices.DeleteFunc(c.left, func(path string) bool {
		err := os.Remove(path)
		return err == nil || errors.Is(err, fs.ErrNotExist)
	})
}
