package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folders that a machine can't do without: a disk with one of them is the system's.
var folders = []string{"/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/etc", "/home", "/root", "/opt", "/srv"}

// unused refuses a disk that this machine uses: mounted, for swap, or by a device made of it (LVM, LUKS, RAID).
func (m machine) unused(folder string) error {
	names := make(map[string]string) // of the disk, its partitions, and all that is made of them, by number
	var reasons []string
	m.collect(folder, names, &reasons)

	mounts, err := os.ReadFile(filepath.Join(m.proc, "self/mountinfo"))
	if err != nil {
		return err
	}
	system, mounted := m.mounted(string(mounts), names)
	if len(system) > 0 {
		return fmt.Errorf("it is the disk of this machine's system: %s", strings.Join(system, ", "))
	}
	swaps, err := os.ReadFile(filepath.Join(m.proc, "swaps"))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without swap
		return err
	}
	reasons = slices.Concat(mounted, m.swapped(string(swaps), names), reasons)
	if len(reasons) > 0 {
		return fmt.Errorf("it is in use: %s", strings.Join(reasons, ", "))
	}
	return nil
}

// collect notes a device, its partitions, and what is made of them.
func (m machine) collect(folder string, names map[string]string, reasons *[]string) {
	number, name := attribute(folder, "dev"), filepath.Base(folder)
	if names[number] != "" {
		return
	}
	names[number] = name
	holders, _ := filepath.Glob(filepath.Join(folder, "holders", "*")) // the pattern is right
	for _, holder := range holders {
		by := filepath.Base(holder)
		target, err := filepath.EvalSymlinks(holder)
		if err != nil {
			target = filepath.Join(m.sys, "block", by)
		}
		if called := attribute(target, "dm/name"); called != "" {
			by += " (" + called + ")"
		}
		*reasons = append(*reasons, fmt.Sprintf("%s is part of %s", name, by))
		m.collect(target, names, reasons)
	}
	partitions, _ := filepath.Glob(filepath.Join(folder, "*", "partition"))
	for _, one := range partitions {
		m.collect(filepath.Dir(one), names, reasons)
	}
}

// mounted gives what is mounted of the devices (proc_pid_mountinfo(5)): folders of the system, and others.
func (m machine) mounted(mountinfo string, names map[string]string) (system, other []string) {
	seen := make(map[string]bool) // some are mounted at hundreds of places: two of a kind tell enough
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		behind := slices.Index(fields, "-")
		if len(fields) < 6 || behind < 0 || len(fields) < behind+3 {
			continue
		}
		at, source := unescape(fields[4]), unescape(fields[behind+2])
		name := names[fields[2]]
		if name == "" {
			// btrfs has numbers of its own there.
			if number, err := m.number(source); err == nil {
				name = names[number]
			}
		}
		switch text := fmt.Sprintf("%s is mounted at %s", name, at); {
		case name == "" || seen[text]:
		case slices.Contains(folders, at):
			seen[text] = true
			system = append(system, text)
		default:
			seen[text] = true
			other = append(other, text)
		}
	}
	const enough = 5
	return system[:min(len(system), enough)], other[:min(len(other), enough)]
}

func (m machine) swapped(swaps string, names map[string]string) []string {
	var found []string
	for line := range strings.Lines(swaps) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if number, err := m.number(unescape(fields[0])); err == nil && names[number] != "" {
			found = append(found, names[number]+" is used for swap")
		}
	}
	slices.Sort(found)
	return found
}

// unescape undoes the codes of /proc for characters that would split a line.
func unescape(text string) string { return escapes.Replace(text) }

var escapes = strings.NewReplacer(`\011`, "\t", `\012`, "\n", `\040`, " ", `\043`, "#", `\134`, `\`)
