// Package manager is what a machine runs its services by: it starts the store, has the settings file applied,
// opens the sockets that the settings name, starts the other services with them, follows changes, and reports
// what the supervisor sees. It is the same under PID 1 and hosted.
package manager

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
	"postroom/services/settings"
)

// Config says what machine it is.
type Config struct {
	Hosted     bool   // a workstation's: no isolation, loopback by default
	Run        string // folder of the store's sockets
	Store      string // the store's data folder
	KeyFile    string // the machine key
	ClientKeys string // file of the console's client keys
	Version    string

	// Settings is the settings file to apply at the start, "" for none; Source names where it came from.
	Settings string
	Source   string

	Reaper         *supervisor.Reaper
	Binary         string   // what services execute; default /proc/self/exe
	Env            []string // the services' whole environment
	Stdout, Stderr *os.File // the services'
	Cgroup         string
	Log            *slog.Logger
	LogLevel       slog.Level

	// Confine gives a service its user, limits and folders; nil where there is no isolation.
	Confine func(*supervisor.Service)
	// Owner is the user id that a kind of caller's socket belongs to; nil: this process's.
	Owner func(caller string) int

	// Clock says whether the clock is good, each time that this changes; nil: the machine keeps time by
	// itself, and it is.
	Clock <-chan bool

	// OnStatus is called with what the supervisor's loop answers of its services, every few seconds.
	OnStatus func([]supervisor.ServiceStatus)

	// OnSettings is called with the settings in force at the start and after each change, OnListening when
	// sockets are open, OnReady once, when every service is READY; each may be nil.
	OnSettings  func(*settings.Settings)
	OnListening func([]Listening)
	OnReady     func()
}

// Manager runs the services of one machine.
type Manager struct {
	cfg        Config
	supervisor *supervisor.Supervisor
	store      *contract.Client[contract.InitService]

	// owned by the goroutine of follow
	open map[string][]Listening // by service
	told map[string]string      // by service: the text of its condition that the store has; "": there is none
}

// Run runs the services until ctx ends, then ends them in order. Its error is of a start that could not be made.
func Run(ctx context.Context, cfg Config) error {
	m := &Manager{cfg: cfg, open: make(map[string][]Listening), told: make(map[string]string)}
	sockets, err := m.storeSockets()
	if err != nil {
		return err
	}
	m.supervisor, err = supervisor.New(supervisor.Config{
		Reaper: cfg.Reaper, Log: cfg.Log, Binary: cfg.Binary,
		Stdout: cfg.Stdout, Stderr: cfg.Stderr, Cgroup: cfg.Cgroup,
	})
	if err != nil {
		return err
	}
	m.store = contract.NewClient(m.socket("init"), contract.NewInitClient)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { m.supervisor.Run(ctx) })
	service := m.storeService()
	service.Sockets = sockets
	if err := m.start(ctx, service); err != nil {
		cancel(err)
		return err
	}
	running.Go(func() { m.report(ctx) })
	running.Go(func() { m.reportClock(ctx) })
	running.Go(func() { m.sayReady(ctx) })
	<-ctx.Done()
	running.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// start brings the services up: the store, the settings, and all others.
func (m *Manager) start(ctx context.Context, store supervisor.Service) error {
	if err := m.supervisor.Add(ctx, store); err != nil {
		return err
	}
	if err := m.applyFile(ctx); err != nil {
		return err
	}
	in, err := contract.GetSettings(ctx, m.store)
	if err != nil {
		return err
	}
	if m.cfg.OnSettings != nil {
		m.cfg.OnSettings(in)
	}
	if err := m.startServers(ctx, in); err != nil {
		return err
	}
	for _, s := range []supervisor.Service{m.service(fetcher), m.service(validator, "--bodies", m.bodies())} {
		if err := m.supervisor.Add(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// applyAgain is the pause before a settings file is given to the store again that it couldn't keep.
const applyAgain = 200 * time.Millisecond

// applyFile has the store apply the settings file. A bad one keeps what was in force; the store says so in a
// condition.
func (m *Manager) applyFile(ctx context.Context) error {
	if m.cfg.Settings == "" {
		return nil
	}
	text, err := os.ReadFile(m.cfg.Settings)
	if err != nil {
		return fmt.Errorf("read settings file: %w", err)
	}
	request := &contract.ApplyFileRequest{Source: m.cfg.Source, File: filepath.Base(m.cfg.Settings), Text: text}
	answer, err := contract.Call(ctx, m.store, contract.InitService.ApplyFile, request)
	for errors.Is(err, contract.ErrUnavailable) { // a disk that failed once is no reason to serve nobody
		m.cfg.Log.Warn("settings file is not applied yet", "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(applyAgain):
		}
		answer, err = contract.Call(ctx, m.store, contract.InitService.ApplyFile, request)
	}
	if err != nil {
		return err
	}
	if answer.Problem != "" {
		m.cfg.Log.Error("settings file is not applied: what was in force stays", "err", answer.Problem)
	}
	return nil
}

func (m *Manager) socket(caller string) string { return filepath.Join(m.cfg.Run, caller+".sock") }

// storeSockets opens the store's sockets, one a kind of caller.
func (m *Manager) storeSockets() ([]supervisor.Socket, error) {
	var sockets []supervisor.Socket
	for _, caller := range callers {
		owner := -1
		if m.cfg.Owner != nil {
			owner = m.cfg.Owner(caller)
		}
		s, err := supervisor.ListenUnix(caller, m.socket(caller), owner)
		if err != nil {
			for _, s := range sockets {
				err = errors.Join(err, s.File.Close())
			}
			return nil, err
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}
