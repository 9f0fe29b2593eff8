package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc: USER_HZ, 100 a second on every machine that Linux shows them on.
const tick = 10 * time.Millisecond

// processStat is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type processStat struct {
	pid, parent, group int
	cpu                time.Duration // user's and system's
	ended              time.Duration // that of its children that have ended, and theirs
}

func statOf(pid int) (p processStat, err error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	stat, err := os.ReadFile(name)
	if err != nil {
		return p, err
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // behind the program's name: from field 3 on
	fields := bytes.Fields(rest)
	if len(fields) < 15 {
		return p, fmt.Errorf("%s: only %d fields", name, len(fields))
	}
	var numbers [15]int64
	for i := 1; i < len(numbers); i++ {
		if numbers[i], err = strconv.ParseInt(string(fields[i]), 10, 64); err != nil && i != 5 { // tpgid may be anything
			return p, fmt.Errorf("%s: %w", name, err)
		}
	}
	return processStat{
		pid: pid, parent: int(numbers[1]), group: int(numbers[2]),
		cpu: time.Duration(numbers[11]+numbers[12]) * tick, ended: time.Duration(numbers[13]+numbers[14]) * tick,
	}, nil
}

// cpuOf gives the CPU time, user's and system's, that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	p, err := statOf(pid)
	return p.cpu, err
}

// ownCPU gives the CPU time that this process has used.
func ownCPU() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// processes gives those that want says yes to.
func processes(want func(processStat) bool) (list []processStat, err error) {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		if p, err := statOf(pid); err == nil && want(p) { // else it has ended
			list = append(list, p)
		}
	}
	return list, nil
}
