package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a running Dovecot: its master, and what that started, as a process group of its own.
type process struct {
	run  string // the folder of its sockets: a short name, for a socket's has at most 107 octets
	cmd  *exec.Cmd
	done chan struct{} // closed when the master has ended
	err  error         // how it ended; read it after done
}

const (
	stopTimeout = 500 * time.Millisecond // to end in order: the master takes seconds over an open session
	killTimeout = 5 * time.Second        // for the kernel
	look        = 5 * time.Millisecond
)

// launch starts Dovecot by the configuration in a file.
func (p *Provider) launch() (*process, error) {
	program, err := p.program()
	if err != nil {
		return nil, err
	}
	r := &process{done: make(chan struct{})}
	if r.run, err = os.MkdirTemp("", "dovecot-"); err != nil {
		return nil, err
	}
	if err := os.Chmod(r.run, 0o755); err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.run))
	}
	name, err := p.configure(r.run)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write configuration: %w", err), os.RemoveAll(r.run))
	}
	r.cmd = exec.Command(program, "-F", "-c", name)
	log, err := os.OpenFile(p.path("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.run))
	}
	defer log.Close()
	r.cmd.Stderr = log // what is wrong before the log is open
	r.cmd.Dir = p.dir
	r.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the process ends: it stays for as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.cmd.Start()
		started <- err
		if err == nil {
			r.err = r.cmd.Wait()
			close(r.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.run))
	}
	return r, nil
}

func (p *Provider) program() (string, error) {
	if p.cfg.Program != "" {
		return p.cfg.Program, nil
	}
	if found, err := exec.LookPath("dovecot"); err == nil {
		return found, nil
	}
	const debian = "/usr/sbin/dovecot" // not in an ordinary user's PATH
	if _, err := os.Stat(debian); err != nil {
		return "", errors.New("dovecot is not installed: apt-get install dovecot-pop3d")
	}
	return debian, nil
}

// ended says whether the master has ended.
func (r *process) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// stop ends the whole group, and returns when nothing of it is left.
func (r *process) stop() error {
	group := -r.cmd.Process.Pid
	if !r.ended() {
		if err := syscall.Kill(group, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end dovecot: %w", err)
		}
		select {
		case <-r.done:
		case <-time.After(stopTimeout):
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for syscall.Kill(group, syscall.SIGKILL) == nil { // else ESRCH: nothing is left
		select {
		case <-ctx.Done():
			return fmt.Errorf("end dovecot: processes of group %d stay", -group)
		case <-ticker.C:
		}
	}
	<-r.done
	return os.RemoveAll(r.run)
}
