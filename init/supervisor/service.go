package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Service is one process to keep running. It is started as
//
//	Binary -> argv[0] "confine" (see Confine) -> the same binary, argv[0] Name, then Args
//
// Every service runs without capabilities and with no_new_privs, as root too. Beyond that the zero value of
// everything but Name is usable, and means: nothing is switched, limited or confined.
type Service struct {
	Name  string
	Args  []string
	Env   []string // all of its environment but the protocol's own variables
	After []string // services that must be READY before this one starts, and that outlive it at a stop

	// Sockets are passed from descriptor 3 on, in this order. The supervisor owns their files
	// from Add or Replace on, also when that fails, and closes them.
	Sockets []Socket

	StartTimeout time.Duration // from the start to READY=1; default 30 s; the service can extend it (EXTEND_TIMEOUT_USEC)
	StopTimeout  time.Duration // from SIGTERM to SIGKILL; default 10 s
	Watchdog     time.Duration // the longest from READY=1 or WATCHDOG=1 to the next; 0: none

	UID    int   // 0: as the supervisor; else needs root
	GID    int   // with UID
	Groups []int // supplementary groups, with UID
	Umask  int   // default 077

	Folders *Folders // nil: no Landlock
	Memory  uint64   // memory.max in octets, for the whole cgroup; 0: none. Needs Config.Cgroup
	Tasks   int      // pids.max (threads count); 0: none. Needs Config.Cgroup
}

// Folders are what Landlock leaves to a service: folders with all that is beneath, or single files.
// All must exist when it starts. Its own binary can always be read and executed.
type Folders struct {
	Read  []string // read files, list folders
	Write []string // Read, and write, truncate, make, rename and remove files and folders; no execution
	Exec  []string // read and execute files, list folders
}

const (
	defaultStart = 30 * time.Second
	defaultStop  = 10 * time.Second
	defaultUmask = 0o077

	stageName = "confine" // argv[0] of the stage
)

// withDefaults fills in what was left zero.
func (s Service) withDefaults() Service {
	s.StartTimeout = cmp.Or(s.StartTimeout, defaultStart)
	s.StopTimeout = cmp.Or(s.StopTimeout, defaultStop)
	s.Umask = cmp.Or(s.Umask, defaultUmask)
	return s
}

func (s Service) validate() error {
	switch {
	case s.Name == "", s.Name == stageName, strings.ContainsAny(s.Name, "/\x00"):
		return fmt.Errorf("its name must be a plain file name other than %q", stageName)
	case s.StartTimeout < 0, s.StopTimeout < 0, s.Watchdog < 0:
		return errors.New("a negative timeout")
	case s.UID < 0, s.GID < 0:
		return errors.New("a negative uid or gid")
	case s.UID == 0 && (s.GID != 0 || len(s.Groups) != 0):
		return errors.New("a gid or groups without a uid")
	}
	for _, socket := range s.Sockets {
		if socket.File == nil {
			return fmt.Errorf("socket %q is not open", socket.Name)
		}
		if socket.Name == "" || strings.ContainsAny(socket.Name, ":\x00\n") { // LISTEN_FDNAMES is a list with colons
			return fmt.Errorf("socket name %q must not be empty, nor hold a colon", socket.Name)
		}
	}
	return nil
}

// closeSockets closes the files of s that kept doesn't hold as well.
func (s Service) closeSockets(kept Service) {
	for _, socket := range s.Sockets {
		if socket.File != nil && !kept.holds(socket) {
			socket.File.Close() // nothing was written to it: nothing to lose
		}
	}
}

func (s Service) holds(socket Socket) bool {
	for _, own := range s.Sockets {
		if own.File == socket.File {
			return true
		}
	}
	return false
}
