package supervisor

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// memoryOf gives what a process holds, in octets; 0 if it isn't known, as for one that has just ended.
func memoryOf(pid int) uint64 {
	if pid == 0 {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	return parsePSS(text)
}

// parsePSS finds the line "Pss:    3512 kB" in smaps_rollup (proc(5)).
func parsePSS(rollup []byte) uint64 {
	lines := bufio.NewScanner(bytes.NewReader(rollup))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "Pss:" && fields[2] == "kB" {
			kib, err := strconv.ParseUint(fields[1], 10, 44)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
