package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitConfine is the stage's exit status when it can't confine or start its service.
const exitConfine = 125

// confinement is what the stage is to do; it gets it as its first argument, in JSON. What is zero is left as it is.
type confinement struct {
	Sockets  int // passed from descriptor 3 on
	Watchdog bool
	Umask    int
	UID, GID int
	Groups   []int
	Folders  *Folders
}

// Confine is the stage between the supervisor and a service: the program under the name (argv[0]) "confine", args
// behind that. It puts the process into its confinement and becomes the service: the same binary, named by args[1].
// It returns only on an error, with an exit status.
//
// All is done on one thread, and that thread executes the service: uid, capabilities and
// the parent-death signal belong to a thread, and those of the one that executes stay.
func Confine(args []string) int {
	runtime.LockOSThread()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if len(args) < 2 {
		log.Error("the supervisor starts this program, with its instructions and a service's name")
		return exitConfine
	}
	err := confine(args[0])
	if err == nil {
		err = syscall.Exec("/proc/self/exe", args[1:], os.Environ())
		err = fmt.Errorf("execute the service: %w", err)
	}
	log.Error("service not confined", "service", args[1], "err", err)
	return exitConfine
}

func confine(instructions string) error {
	supervisor := os.Getppid()
	var c confinement
	if err := json.Unmarshal([]byte(instructions), &c); err != nil {
		return fmt.Errorf("read the instructions: %w", err)
	}
	// A workstation's shell may have left descriptors open: they are not for the service.
	if err := unix.CloseRange(uint(3+c.Sockets), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close other descriptors: %w", err)
	}
	syscall.Umask(c.Umask)
	if err := c.setPID(); err != nil {
		return err
	}
	// Before the user is switched: root finds every folder.
	if c.Folders != nil {
		if err := c.Folders.restrict(); err != nil {
			return err
		}
	}
	if err := dropBounding(c.UID != 0); err != nil {
		return err
	}
	if c.UID != 0 {
		if err := switchUser(c.UID, c.GID, c.Groups); err != nil {
			return err
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	// The process was started with it, but a change of user id takes it off, and this may be another thread.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the parent-death signal: %w", err)
	}
	if os.Getppid() != supervisor {
		return errors.New("the supervisor has died")
	}
	return nil
}

// setPID fills in the variables that only the process itself can know: exec keeps its pid.
func (c *confinement) setPID() error {
	pid := strconv.Itoa(os.Getpid())
	var listen, watchdog error
	if c.Sockets > 0 {
		listen = os.Setenv("LISTEN_PID", pid)
	}
	if c.Watchdog {
		watchdog = os.Setenv("WATCHDOG_PID", pid)
	}
	return errors.Join(listen, watchdog)
}
