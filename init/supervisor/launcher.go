package supervisor

import "syscall"

// A launcher starts instances: all that the supervisor's loop asks of the operating system.
type launcher interface {
	// launch starts a process for s. It calls tell with each message of it, and last, once, with its exit.
	launch(s Service, tell func(report)) (process, error)

	// close waits until nothing of the launcher runs; all instances have ended.
	close()
}

type process interface {
	pid() int
	signal(syscall.Signal)
}

// A report is what an instance said, or how it ended.
type report struct {
	message message
	exit    string // in words; empty for a message
}
