package hardware

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// aliases says which modules a modalias asks for: depmod's modules.alias, by what is before the first colon
// ("pci", "virtio", …).
type aliases map[string][]alias

type alias struct {
	literal string // what pattern begins with, up to the first wildcard
	pattern string
	module  string
}

func readAliases(folder string) (aliases, error) {
	all := make(aliases)
	err := eachLine(filepath.Join(folder, "modules.alias"), func(words []string) {
		if len(words) != 3 || words[0] != "alias" {
			return
		}
		pattern := words[1]
		literal := pattern
		if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
			literal = pattern[:i]
		}
		bus, _, _ := strings.Cut(literal, ":")
		all[bus] = append(all[bus], alias{literal, pattern, canonical(words[2])})
	})
	return all, err
}

// find gives the modules that a modalias asks for.
func (a aliases) find(modalias string) (modules []string) {
	bus, _, _ := strings.Cut(modalias, ":")
	for _, one := range a[bus] {
		if !strings.HasPrefix(modalias, one.literal) {
			continue
		}
		// What no * of path.Match matches, a slash, is in no modalias of a bus that modules here are for.
		if ok, err := path.Match(one.pattern, modalias); ok && err == nil {
			modules = append(modules, one.module)
		}
	}
	return modules
}

// buses gives the buses that drivers are for. In sysfs they have the same names.
func (a aliases) buses(drivers map[string]bool) (names []string) {
	for bus, all := range a {
		if slices.ContainsFunc(all, func(one alias) bool { return drivers[one.module] }) {
			names = append(names, bus)
		}
	}
	slices.Sort(names)
	return names
}

// readSoftDependencies gives what is best loaded before a module (modules.softdep: "softdep NAME pre: A B post: C").
func readSoftDependencies(folder string) (map[string][]string, error) {
	before := make(map[string][]string)
	err := eachLine(filepath.Join(folder, "modules.softdep"), func(words []string) {
		if len(words) < 3 || words[0] != "softdep" {
			return
		}
		pre := false
		for _, word := range words[2:] {
			switch {
			case strings.HasSuffix(word, ":"):
				pre = word == "pre:"
			case pre:
				name := canonical(words[1])
				before[name] = append(before[name], canonical(word))
			}
		}
	})
	return before, err
}

func eachLine(file string, do func(words []string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		do(strings.Fields(scanner.Text()))
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

// canonical is a module's name as the kernel has it.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }
