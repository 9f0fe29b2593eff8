package supervisor

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
)

// A Reaper starts processes and hands their exits out.
//
// For PID 1 it waits for every child, and drops the exits of those that it didn't start (orphans
// become PID 1's children): os/exec can't be used beside it, use Run. Elsewhere it waits for its own
// children alone, so that it takes no exit from an exec.Cmd in the same process, nor from another Reaper.
//
// Processes are started from one thread that lives until Close: a child's parent-death signal
// (SysProcAttr.Pdeathsig) comes when the thread that started it ends, not the process.
type Reaper struct {
	orphans bool
	starts  chan func()
	quit    chan struct{}
	running sync.WaitGroup

	// mu makes two things one step: to start a child and to know it, so that no exit comes before
	// its child is known; to reap a child and to forget it, so that no signal goes to a reused pid.
	mu       sync.Mutex
	children map[int]*Process
}

// A Process is a child of this process.
type Process struct {
	PID    int
	reaper *Reaper
	done   chan Exit // holds the one exit: the reaper never waits for who asked
}

// NewReaper starts reaping; orphans is for PID 1 (or a subreaper, prctl(2)), one a process.
func NewReaper(orphans bool) *Reaper {
	r := &Reaper{
		orphans:  orphans,
		starts:   make(chan func()),
		quit:     make(chan struct{}),
		children: make(map[int]*Process),
	}
	children := make(chan os.Signal, 1) // one is enough: each look reaps all that ended
	signal.Notify(children, syscall.SIGCHLD)
	r.running.Go(func() {
		defer signal.Stop(children)
		for {
			select {
			case <-children:
				r.reap()
			case <-r.quit:
				return
			}
		}
	})
	r.running.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for {
			select {
			case start := <-r.starts:
				start()
			case <-r.quit:
				return
			}
		}
	})
	return r
}

// Close ends the reaper, and so kills children with a parent-death signal that still run.
// Nothing may be started any more.
func (r *Reaper) Close() {
	close(r.quit)
	r.running.Wait()
}

// Start starts a process, as syscall.ForkExec does.
func (r *Reaper) Start(path string, argv []string, attr *syscall.ProcAttr) (*Process, error) {
	var process *Process
	var err error
	started := make(chan struct{})
	start := func() {
		defer close(started)
		r.mu.Lock()
		defer r.mu.Unlock()
		var pid int
		if pid, err = syscall.ForkExec(path, argv, attr); err == nil {
			process = &Process{PID: pid, reaper: r, done: make(chan Exit, 1)}
			r.children[pid] = process
		}
	}
	select {
	case r.starts <- start:
		<-started
		return process, err
	case <-r.quit:
		return nil, errors.New("the reaper is closed")
	}
}

// Done gives the exit, once.
func (p *Process) Done() <-chan Exit { return p.done }

// Signal sends a signal; os.ErrProcessDone once the process has been reaped.
func (p *Process) Signal(s syscall.Signal) error {
	p.reaper.mu.Lock()
	defer p.reaper.mu.Unlock()
	if p.reaper.children[p.PID] != p {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.PID, s)
}

func (r *Reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.orphans {
		for r.wait(-1) {
		}
		return
	}
	for pid := range r.children {
		r.wait(pid)
	}
}

// wait reaps one process if one has ended. The caller holds mu.
func (r *Reaper) wait(pid int) bool {
	var status syscall.WaitStatus
	var err error
	for {
		if pid, err = syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err != syscall.EINTR {
			break
		}
	}
	if err != nil || pid <= 0 { // ECHILD: there is none; 0: none has ended
		return false
	}
	if process := r.children[pid]; process != nil {
		delete(r.children, pid)
		process.done <- exitOf(status)
	}
	return true
}
