package powercut

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"postroom/services/contract"
)

// placeVariable names the environment variable by which a program knows that it is to be the store.
const placeVariable = "POSTROOM_POWERCUT_STORE"

// ServeIfTold is the store's process: it serves where the environment says, and never returns then. Who started it says
// "sweep" or "stop" on its input, a line each.
func ServeIfTold() {
	told := os.Getenv(placeVariable)
	if told == "" {
		return
	}
	if err := serve(told); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(told string) error {
	var p Place
	if err := json.Unmarshal([]byte(told), &p); err != nil {
		return err
	}
	s, stop, err := p.Open(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan() && in.Text() != "stop"; {
		if err := s.Sweep(context.Background()); err != nil {
			return err
		}
		fmt.Println("swept")
	}
	return stop()
}

// Process is a store's own process.
type Process struct {
	*Box
	cmd  *exec.Cmd
	in   interface{ Write([]byte) (int, error) }
	out  *bufio.Scanner
	dead chan struct{} // closed when it ended
	err  error         // how, once dead
}

// Start starts the store there as a process, and returns when it serves or has ended.
func Start(p Place) (*Process, error) {
	told, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), placeVariable+"="+string(told))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, outEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = outEnd
	err = errors.Join(cmd.Start(), outEnd.Close())
	if err != nil {
		return nil, err
	}
	process := &Process{Box: p.Dial(), cmd: cmd, in: in, out: bufio.NewScanner(out), dead: make(chan struct{})}
	go func() {
		process.err = cmd.Wait()
		close(process.dead)
	}()
	if !process.out.Scan() {
		<-process.dead
		return process, fmt.Errorf("the store ended before it served: %w", process.err)
	}
	return process, nil
}

// Alive gives a context that ends with the process.
func (p *Process) Alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	go func() {
		select {
		case <-p.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Kill ends it as a crash does.
func (p *Process) Kill() {
	p.cmd.Process.Kill() // it may have ended by itself
}

// Gone waits for its end.
func (p *Process) Gone() error {
	<-p.dead
	p.Box.Close()
	return p.err
}

// Stop has it end cleanly.
func (p *Process) Stop() error {
	if _, err := p.in.Write([]byte("stop\n")); err != nil {
		return err
	}
	return p.Gone()
}

// Sweep has it let go of what is over.
func (p *Process) Sweep(ctx context.Context) error {
	if _, err := contract.Call(ctx, p.init, contract.InitService.ReportClock, &contract.ReportClockRequest{Good: true}); err != nil {
		return err
	}
	if _, err := p.in.Write([]byte("sweep\n")); err != nil {
		return err
	}
	if !p.out.Scan() {
		return errors.New("the store ended in its sweep")
	}
	return nil
}
