package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"postroom/tools/provider"
)

// side is all processes of one side of a comparison.
type side func() ([]processStat, error)

// dovecotSide is a Dovecot: its master, and all that it started.
func dovecotSide(p *provider.Provider) side {
	return func() ([]processStat, error) {
		group := p.Group()
		return processes(func(s processStat) bool { return s.group == group })
	}
}

// boxSide is the services of the boxes that this program runs; of one kind alone where only names any.
func boxSide(only ...string) side {
	return func() ([]processStat, error) {
		own := os.Getpid()
		return processes(func(s processStat) bool {
			if s.parent != own {
				return false
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.pid))
			if err != nil {
				return false
			}
			word, _, _ := bytes.Cut(line, []byte{0})
			name := filepath.Base(string(word))
			if len(only) > 0 {
				return slices.Contains(only, name)
			}
			return services[name] != nil
		})
	}
}

// cpu gives the CPU time that a side has used, that of processes which have ended included.
func (s side) cpu() (total time.Duration, err error) {
	list, err := s()
	for _, p := range list {
		total += p.cpu + p.ended
	}
	return total, err
}

// memory gives a side's memory: its proportional set size, octets, where a page that several processes share is
// split among them.
func (s side) memory() (total int64, err error) {
	list, err := s()
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		octets, err := memoryOf(p.pid)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		total += octets
	}
	return total, nil
}

var pssField = []byte("Pss:")

func memoryOf(pid int) (int64, error) {
	name := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, pssField); ok {
			kib, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("%s: no Pss", name)
}
