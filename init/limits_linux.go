package pid1

import (
	"fmt"
	"syscall"
)

// openFiles is how many a service may have open: POP3 has two for a session that retrieves, its connection and a
// segment. The kernel gives the first process 4,096.
const openFiles = 1 << 14

// raiseLimits lets this process and those that it starts have so many open files.
func raiseLimits() error {
	// The one of package unix would be taken back for processes that are started.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: openFiles, Max: openFiles}); err != nil {
		return fmt.Errorf("raise the limit of open files to %d: %w", openFiles, err)
	}
	return nil
}
