// Package store is the service that alone writes bodies, notes and index, and alone decides what is durable.
// Everyone else calls it by the contract, over one Unix socket a kind of caller.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/store/disk"
	"postroom/services/store/engine"
)

// Config says where a store is and what it is given by its machine.
type Config struct {
	Dir       string // the data folder: bodies/, notes/, the index
	KeyFile   string // the machine key, outside Dir
	CreateKey bool   // make the machine key when it isn't there
	Boot      string // this boot's id
	Hosted    bool   // the settings' defaults are those of a workstation
	Version   string
	Log       *slog.Logger
	Now       func() time.Time

	FS              disk.FS           // nil: the operating system's
	Point           func(name string) // see engine.Config
	CheckpointAfter int64             // see engine.Config
}

// Store is an open store. All methods may be called from many goroutines.
type Store struct {
	cfg      Config
	log      *slog.Logger
	db       *engine.DB
	secrets  *secrets
	settings atomic.Pointer[settings.Settings]
	clock    clock
	ending   chan struct{} // closed when streams are to end

	look     hub
	accounts changeLog[accountID]
	tries    tries
	verify   broker
	workers  workers
	leases   leases
	queue    changeLog[uint64] // the Transport Queue
	runners  runners
	fresh    freshness
	uploads  uploads
	room     room
	damage   damaged

	hashing sync.Mutex // one password at a time: see hashMemory

	reportMu sync.Mutex // guards what the supervisor reported last
	report   *contract.ReportServicesRequest
}

// Open opens the store, made when it isn't there, and recovers what a cut left behind.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	key, err := loadMachineKey(cfg.KeyFile, cfg.CreateKey)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, log: cfg.Log, ending: make(chan struct{})}
	if s.secrets, err = newSecrets(key); err != nil {
		return nil, err
	}
	s.db, err = engine.Open(engine.Config{
		Dir: cfg.Dir, Boot: cfg.Boot, FS: cfg.FS, Log: cfg.Log, Now: cfg.Now, Point: cfg.Point, CheckpointAfter: cfg.CheckpointAfter,
	})
	if err != nil {
		return nil, fmt.Errorf("open store in %s: %w", cfg.Dir, err)
	}
	s.clock.start(cfg.Now)
	s.accounts.start()
	s.verify.start()
	s.workers.start()
	s.leases.start()
	s.queue.start()
	s.runners.start()
	s.fresh.start()
	s.uploads.start(s)
	s.damage.start()
	if err := errors.Join(s.loadSettings(), s.loadAccounts()); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if err := s.rescue(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if err := s.settleUsers(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if err := s.loadTransport(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// Close makes a checkpoint and closes the store cleanly; callers under way get contract.ErrUnavailable.
func (s *Store) Close() error {
	s.uploads.abortAll()
	return s.db.Close()
}

func (s *Store) now() time.Time { return s.cfg.Now() }
