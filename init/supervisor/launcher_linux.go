package supervisor

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// systemLauncher starts real processes.
type systemLauncher struct {
	config  Config
	null    *os.File // standard input of all
	cgroups cgroups
	running sync.WaitGroup
}

// systemProcess is a process as the loop sees it.
type systemProcess struct{ *Process }

func (p systemProcess) pid() int                  { return p.PID }
func (p systemProcess) signal(sig syscall.Signal) { p.Signal(sig) } // an error says that it has ended: that is told anyway

func newLauncher(config Config) (launcher, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	return &systemLauncher{config: config, null: null, cgroups: cgroups{root: config.Cgroup}}, nil
}

func (l *systemLauncher) close() {
	l.running.Wait()
	l.null.Close()
}

func (l *systemLauncher) launch(service Service, tell func(report)) (process, error) {
	notify, err := listenNotify()
	if err != nil {
		return nil, err
	}
	group, err := l.cgroups.create(service)
	if err != nil {
		notify.close()
		return nil, err
	}
	child, err := l.exec(service, notify.name, group)
	group.started()
	if err != nil {
		notify.close()
		group.remove()
		return nil, err
	}
	l.running.Go(func() {
		var receiving sync.WaitGroup
		receiving.Go(func() {
			notify.receive(child.PID, func(m message) { tell(report{message: m}) })
		})
		exit := (<-child.Done()).String()
		notify.close()
		receiving.Wait()
		if group.ranOut() {
			exit += ", out of memory"
		}
		group.remove()
		tell(report{exit: exit})
	})
	return systemProcess{child}, nil
}

// exec starts the stage (Confine), which becomes the service.
func (l *systemLauncher) exec(service Service, notify string, group *cgroup) (*Process, error) {
	stage, err := json.Marshal(confinement{
		Sockets:  len(service.Sockets),
		Watchdog: service.Watchdog > 0,
		Umask:    service.Umask,
		UID:      service.UID,
		GID:      service.GID,
		Groups:   service.Groups,
		Folders:  service.Folders,
	})
	if err != nil {
		return nil, err
	}
	// Fd makes a pipe blocking, as a crashing program's last words need it; a socket is left as it is,
	// another instance may be waiting at it.
	descriptors := []uintptr{l.null.Fd(), l.config.Stdout.Fd(), l.config.Stderr.Fd()}
	for _, socket := range service.Sockets {
		fd, err := descriptor(socket.File)
		if err != nil {
			return nil, fmt.Errorf("pass socket %s: %w", socket.Name, err)
		}
		descriptors = append(descriptors, fd)
	}
	attr := &syscall.ProcAttr{
		Env:   environment(service, notify),
		Files: descriptors,
		// A session of its own: ^C in a terminal is for the supervisor, which ends the services in order.
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	if group != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, group.descriptor()
	}
	argv := append([]string{stageName, string(stage), service.Name}, service.Args...)
	return l.config.Reaper.Start(l.config.Binary, argv, attr)
}

// environment is the service's own with the protocols' variables; LISTEN_PID and WATCHDOG_PID are the stage's part.
func environment(service Service, notify string) []string {
	env := slices.DeleteFunc(slices.Clone(service.Env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name == "NOTIFY_SOCKET" || strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "WATCHDOG_")
	})
	env = append(env, "NOTIFY_SOCKET="+notify)
	if service.Watchdog > 0 {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(service.Watchdog.Microseconds(), 10))
	}
	if len(service.Sockets) > 0 {
		var names []string
		for _, socket := range service.Sockets {
			names = append(names, socket.Name)
		}
		env = append(env, "LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return env
}
