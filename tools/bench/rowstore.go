package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"postroom/services/contract"

	"golang.org/x/sys/unix"
)

// rowStore is a store's process that is started and killed at will. Its sockets stay: who calls waits until one serves.
type rowStore struct {
	dir     string
	run     string // the sockets' folder: a Unix socket's path has 107 octets at most
	program string // this one, under the store's name
	sockets []*os.File
	log     *os.File
	cmd     *exec.Cmd // nil: none runs

	pop3      *contract.Client[contract.Pop3Client]
	fetcher   *contract.Client[contract.FetcherService]
	validator *contract.Client[contract.ValidatorClient]
	puts      *contract.Putter
}

var rowCallers = []string{"pop3", "fetcher", "validator"}

func newRowStore(dir string) (s *rowStore, err error) {
	s = &rowStore{dir: dir, program: filepath.Join(dir, "store")}
	if s.run, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	own, err := os.Executable()
	if err == nil {
		err = os.Symlink(own, s.program)
	}
	if err == nil {
		s.log, err = os.Create(filepath.Join(dir, "log"))
	}
	for _, caller := range rowCallers {
		if err == nil {
			err = s.listen(caller)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.pop3 = contract.NewClient(s.socket("pop3"), contract.NewPop3Client)
	s.fetcher = contract.NewClient(s.socket("fetcher"), contract.NewFetcherClient)
	s.puts = contract.NewPutter(s.fetcher)
	s.validator = contract.NewClient(s.socket("validator"), contract.NewValidatorClient)
	return s, nil
}

func (s *rowStore) socket(caller string) string { return filepath.Join(s.run, caller+".sock") }

func (s *rowStore) data() string { return filepath.Join(s.dir, "data") }

func (s *rowStore) listen(caller string) error {
	l, err := net.Listen("unix", s.socket(caller))
	if err != nil {
		return err
	}
	f, err := l.(*net.UnixListener).File()
	if err == nil {
		s.sockets = append(s.sockets, f)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return errors.Join(err, l.Close())
}

// start starts the store and gives the time until it has answered a call.
func (s *rowStore) start(ctx context.Context) (time.Duration, error) {
	// systemd's protocol: LISTEN_PID is the store's own, which only a process in its place knows.
	s.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, s.program,
		"--data", s.data(), "--key", filepath.Join(s.dir, "key", "machine.key"), "--create-key", "--hosted", "--log-level", "WARN")
	s.cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(s.sockets)), "LISTEN_FDNAMES="+strings.Join(rowCallers, ":"))
	s.cmd.ExtraFiles = s.sockets
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	_, err := contract.Call(ctx, s.fetcher, contract.FetcherService.TakeVerification, &contract.TakeVerificationRequest{})
	if err != nil {
		log, _ := os.ReadFile(s.log.Name()) // without it the error says less
		return 0, fmt.Errorf("start the store: %w\n%s", err, log)
	}
	return time.Since(began), nil
}

// end ends the store by a signal, and gives how long that took.
func (s *rowStore) end(signal os.Signal) (time.Duration, error) {
	began := time.Now()
	if err := s.cmd.Process.Signal(signal); err != nil {
		return 0, err
	}
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && signal == unix.SIGKILL {
		err = nil // as it was told to
	}
	s.cmd = nil
	return time.Since(began), err
}

// cut kills the store, as a power cut would as far as the store can know: the index is another boot's.
func (s *rowStore) cut() error {
	if _, err := s.end(unix.SIGKILL); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.data(), "index.state"), []byte("another boot\n"), 0o600)
}

func (s *rowStore) memory() (int64, error) { return memoryOf(s.cmd.Process.Pid) }

func (s *rowStore) close() (err error) {
	if s.pop3 != nil {
		s.pop3.Close() // they end with the store anyway
		s.fetcher.Close()
		s.validator.Close()
	}
	if s.cmd != nil {
		_, err = s.end(unix.SIGTERM)
	}
	for _, f := range s.sockets {
		err = errors.Join(err, f.Close())
	}
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
	}
	return errors.Join(err, os.RemoveAll(s.run))
}
