package supervisor

import (
	"fmt"
	"syscall"
)

// Exit is how a process ended.
type Exit struct {
	Status int            // exit status; -1 if a signal ended it
	Signal syscall.Signal // 0 if it exited by itself
}

// OK is true for exit status 0.
func (e Exit) OK() bool { return e.Status == 0 && e.Signal == 0 }

func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d (%s)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

func exitOf(status syscall.WaitStatus) Exit {
	if status.Signaled() {
		return Exit{Status: -1, Signal: status.Signal()}
	}
	return Exit{Status: status.ExitStatus()}
}
