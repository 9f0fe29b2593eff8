package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	maxOutput = 1 << 20     // octets of a helper's output that are kept
	drain     = time.Second // for output behind the exit, when a grandchild holds the pipe
)

// Run runs a helper such as e2fsck to its end, and gives its standard output and standard error as
// one, the first MiB of it. An exit status other than 0 is no error. When ctx ends it is killed.
func (r *Reaper) Run(ctx context.Context, argv ...string) (Exit, []byte, error) {
	if len(argv) == 0 {
		return Exit{}, nil, errors.New("run: no program is named")
	}
	exit, output, err := r.run(ctx, argv)
	if err != nil {
		return exit, output, fmt.Errorf("run %q: %w", argv[0], err)
	}
	return exit, output, nil
}

func (r *Reaper) run(ctx context.Context, argv []string) (Exit, []byte, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return Exit{}, nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return Exit{}, nil, err
	}
	defer null.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return Exit{}, nil, err
	}
	defer reader.Close()
	process, err := r.Start(path, argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{null.Fd(), writer.Fd(), writer.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	writer.Close()
	if err != nil {
		return Exit{}, nil, err
	}
	var output bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(&output, io.LimitReader(reader, maxOutput))
		if err == nil {
			_, err = io.Copy(io.Discard, reader)
		}
		copied <- err
	}()
	var exit Exit
	select {
	case exit = <-process.Done():
	case <-ctx.Done():
		process.Signal(syscall.SIGKILL) // an error would say that it has just ended
		exit = <-process.Done()
		err = context.Cause(ctx)
	}
	reader.SetReadDeadline(time.Now().Add(drain))
	if failed := <-copied; failed != nil && !errors.Is(failed, os.ErrDeadlineExceeded) {
		err = errors.Join(err, failed)
	}
	return exit, output.Bytes(), err
}
