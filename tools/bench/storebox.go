package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"postroom/init/supervisor"
	"postroom/services/contract"
)

// storeBox is the store alone, with nobody but this program to call it.
type storeBox struct {
	data    string
	run     string // the sockets' folder: a Unix socket's path has 107 octets at most
	log     *os.File
	reaper  *supervisor.Reaper
	service *supervisor.Supervisor
	stop    context.CancelFunc
	running sync.WaitGroup

	account []byte
	mail    []byte // what is put
	pop3    *contract.Client[contract.Pop3Client]
	fetcher *contract.Client[contract.FetcherService]
	puts    *contract.Putter
}

// startTimeout is how long services have to be ready.
const startTimeout = time.Minute

// startStore starts the store's process and returns when it serves.
func startStore(ctx context.Context, cfg config, dir string) (b *storeBox, err error) {
	b = &storeBox{data: filepath.Join(dir, "store"), mail: sampleMail(bodySize)}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if b.run, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	if b.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.run))
	}
	service := supervisor.Service{
		Name: "store", Env: cfg.environment(), StartTimeout: startTimeout,
		Args: []string{"--data", b.data, "--key", filepath.Join(dir, "key", "machine.key"), "--create-key", "--hosted", "--log-level", "WARN"},
	}
	for _, caller := range []string{"pop3", "fetcher"} {
		s, err := supervisor.ListenUnix(caller, b.socket(caller), -1)
		if err != nil {
			return nil, errors.Join(err, b.log.Close(), os.RemoveAll(b.run))
		}
		service.Sockets = append(service.Sockets, s)
	}
	b.reaper = supervisor.NewReaper(false)
	s, err := supervisor.New(supervisor.Config{
		Reaper: b.reaper, Log: slog.New(slog.NewTextHandler(b.log, nil)), Stdout: b.log, Stderr: b.log,
	})
	if err != nil {
		return nil, errors.Join(err, b.log.Close(), os.RemoveAll(b.run))
	}
	// Not ctx's end: the store ends behind its callers.
	b.service = s
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	b.running.Go(func() { s.Run(running) })
	b.pop3 = contract.NewClient(b.socket("pop3"), contract.NewPop3Client)
	b.fetcher = contract.NewClient(b.socket("fetcher"), contract.NewFetcherClient)
	b.puts = contract.NewPutter(b.fetcher)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err = s.Add(ctx, service); err == nil {
		err = s.WaitReady(ctx)
	}
	if err == nil {
		b.account, err = enrol(ctx, b.pop3, b.fetcher, "bench@pop3.example.org")
	}
	if err != nil {
		log, _ := os.ReadFile(b.log.Name()) // without it the error says less
		return nil, errors.Join(fmt.Errorf("start the store: %w\n%s", err, log), b.close())
	}
	return b, nil
}

func (b *storeBox) socket(caller string) string { return filepath.Join(b.run, caller+".sock") }

func (b *storeBox) close() error {
	b.pop3.Close() // ends with the store anyway
	b.fetcher.Close()
	b.stop()
	b.running.Wait()
	b.reaper.Close()
	return errors.Join(b.log.Close(), os.RemoveAll(b.run))
}

// cpu gives the CPU time that the store's process and this one have used.
func (b *storeBox) cpu(ctx context.Context) (store, caller time.Duration, err error) {
	status := b.service.Status(ctx)
	if len(status) != 1 || status[0].PID == 0 {
		return 0, 0, errors.New("the store has no process")
	}
	if store, err = cpuOf(status[0].PID); err != nil {
		return 0, 0, err
	}
	caller, err = ownCPU()
	return store, caller, err
}
