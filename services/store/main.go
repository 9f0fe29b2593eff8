package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/process"
	"postroom/services/store/notes"
	"postroom/services/store/segment"

	"github.com/containerd/ttrpc"
	"github.com/coreos/go-systemd/v22/activation"
)

// Main runs the service: --data is its folder, --key the machine key's file. Its sockets are passed by who
// starts it (LISTEN_FDS), each named for the kind of caller that it is for. SIGTERM ends it cleanly.
func Main(args []string) int {
	cfg := Config{Boot: bootID()}
	p := process.New("store")
	p.Require(&cfg.Dir, "data", "`folder` of bodies, notes and index")
	p.Require(&cfg.KeyFile, "key", "`file` of the machine key")
	p.Flags.BoolVar(&cfg.CreateKey, "create-key", false, "make the machine key when it isn't there")
	p.Flags.BoolVar(&cfg.Hosted, "hosted", false, "default settings are those of a workstation")
	p.Flags.StringVar(&cfg.Version, "version", "", "`version` that status shows")
	return p.Main(args, func(ctx context.Context, log *slog.Logger) error {
		cfg.Log = log
		debug.SetGCPercent(collectAt)
		listeners, err := activation.ListenersWithNames()
		if err != nil {
			return fmt.Errorf("take over the listening sockets: %w", err)
		}
		return run(ctx, cfg, listeners)
	})
}

func run(ctx context.Context, cfg Config, listeners map[string][]net.Listener) error {
	s, err := Open(ctx, cfg)
	if errors.Is(err, notes.ErrVersion) || errors.Is(err, segment.ErrVersion) {
		return serveStopped(ctx, cfg, listeners, err)
	}
	if err != nil {
		return err
	}
	stopServing, err := s.Serve(ctx, listeners)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	var running sync.WaitGroup
	running.Go(func() { s.sweepLoop(ctx) })
	running.Go(func() { s.healLoop(ctx) })
	running.Go(func() {
		process.Beat(ctx, process.Watchdog(s.log), func() {
			if s.db.Ping(ctx) == nil { // commits are made
				process.Tell(s.log, process.Alive)
			}
		})
	})
	process.Tell(s.log, process.Ready)
	select {
	case <-ctx.Done():
	case <-s.db.Failed():
		return s.db.Err() // at once: callers whose connections break ask the next process
	}
	stopServing()
	running.Wait()
	return s.Close()
}

// kinds are the kinds of callers by the name of their socket, and what each is offered.
var kinds = map[string]func(*Store, *ttrpc.Server){
	"pop3": func(s *Store, to *ttrpc.Server) {
		contract.RegisterCommonService(to, common{s, true})
		contract.RegisterPop3Service(to, pop3{s})
	},
	"smtp": func(s *Store, to *ttrpc.Server) {
		contract.RegisterCommonService(to, common{s, true})
		contract.RegisterSmtpService(to, smtp{s})
	},
	"fetcher": func(s *Store, to *ttrpc.Server) {
		contract.RegisterCommonService(to, common{s, false})
		contract.RegisterFetcherService(to, fetcher{s})
	},
	"validator": func(s *Store, to *ttrpc.Server) {
		contract.RegisterCommonService(to, common{s, false})
		contract.RegisterValidatorService(to, validator{s})
	},
	"console": func(s *Store, to *ttrpc.Server) {
		contract.RegisterCommonService(to, common{s, true})
		contract.RegisterAdminService(to, admin{s})
		contract.RegisterConsoleService(to, console{s})
	},
	"admin": func(s *Store, to *ttrpc.Server) {
		contract.RegisterCommonService(to, common{s, false})
		contract.RegisterAdminService(to, admin{s})
	},
	"init": func(s *Store, to *ttrpc.Server) {
		contract.RegisterCommonService(to, common{s, false})
		contract.RegisterInitService(to, initService{s})
	},
}

// Serve begins to serve each socket by the kind of caller that it is named for; stop ends it, and has calls
// under way answered. Close comes after stop.
func (s *Store) Serve(ctx context.Context, listeners map[string][]net.Listener) (stop func(), err error) {
	// Not ctx's end: calls under way are answered first.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var servers []*ttrpc.Server
	for name, list := range listeners {
		register, ok := kinds[name]
		if !ok {
			cancel()
			return nil, fmt.Errorf("passed socket %q is for no kind of caller", name)
		}
		server, err := contract.NewServer()
		if err != nil {
			cancel()
			return nil, err
		}
		register(s, server)
		servers = append(servers, server)
		for _, l := range list {
			go func() {
				err := server.Serve(serving, contract.Listener(l))
				if !errors.Is(err, ttrpc.ErrServerClosed) {
					s.log.Error("socket is not served any more", "socket", name, "err", err)
				}
			}()
		}
	}
	return func() {
		close(s.ending)
		shutdown(servers)
		cancel()
	}, nil
}

// Admin gives the admin service to a program that opened the store itself.
func (s *Store) Admin() contract.AdminService { return admin{s} }

// Sweep lets go of what is over, for a program that opened the store itself.
func (s *Store) Sweep(ctx context.Context) error { return s.sweep(ctx) }

// stopTimeout is how long calls under way have at the end.
const stopTimeout = 5 * time.Second

func shutdown(servers []*ttrpc.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, server := range servers {
		all.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close() // what is left is cut off
			}
		})
	}
	all.Wait()
}

// bootID is this boot's id; empty where the system has none: then no index of before is trusted.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// collectAt: a live heap of a few MiB would be collected for every 4 MiB of puts, a fifth of their CPU time; so it is for every 32 MiB.
const collectAt = 800
