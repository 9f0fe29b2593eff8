package fetcher

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/fetcher/schedule"
	"postroom/services/fetcher/transfer"
	"postroom/services/settings"

	"golang.org/x/sync/semaphore"
)

// service is what fetches and verifications share.
type service struct {
	store      *contract.Client[contract.FetcherService]
	log        *slog.Logger
	dialer     provider.Dialer
	puts       *contract.Putter
	budget     *semaphore.Weighted
	accounts   *accounts
	conditions *conditions
	stopping   chan struct{} // closed: sessions delete what is stored, and QUIT

	settings atomic.Pointer[settings.Settings]
	locks    locks
	refusals refusals
	lines    lines
}

func newService(store *contract.Client[contract.FetcherService], dialer provider.Dialer, log *slog.Logger) *service {
	s := &service{
		store: store, log: log, dialer: dialer, puts: contract.NewPutter(store), budget: transfer.NewBudget(), stopping: make(chan struct{}),
		accounts:   &accounts{store: store, log: log, ask: make(chan chan struct{})},
		conditions: &conditions{store: store, log: log},
	}
	s.settings.Store(settings.Default())
	return s
}

// forget is for an account that is gone.
func (s *service) forget(account string) {
	s.refusals.forget(account)
	s.lines.forget(account)
	s.conditions.forget(account)
}

// config is how a service runs.
type config struct {
	patience time.Duration // for what is under way when it's to stop
	every    time.Duration // at least so often it says that it's alive; 0: as it comes
	ready    func()
	alive    func()
	leave    func()
}

var errStopping = errors.New("the service stops")

// run works until ctx ends and what was under way is done, or config.patience is over.
func (s *service) run(ctx context.Context, c config) {
	// What is left of the service ends in this order: fetches, verifications, what they need of the store.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	var following, verifying sync.WaitGroup
	defer following.Wait()
	defer cancel(errStopping)
	defer verifying.Wait()
	context.AfterFunc(ctx, func() {
		c.leave()
		close(s.stopping)
		time.AfterFunc(c.patience, func() { cancel(errStopping) })
	})

	scheduler := schedule.New(func(a *contract.FetchAccount, settle func(schedule.Outcome) time.Time) bool {
		return s.fetch(work, a, settle)
	}, nil)
	s.accounts.update = func(accounts []*contract.FetchAccount) {
		for _, a := range accounts {
			if a.Removed {
				s.forget(string(a.Id))
			}
		}
		scheduler.Update(accounts)
	}
	settingsKnown, accountsKnown := make(chan struct{}), make(chan struct{})
	following.Go(func() {
		known := sync.OnceFunc(func() { close(settingsKnown) })
		contract.FollowSettings(ctx, s.store, func(now *settings.Settings) {
			s.settings.Store(now)
			scheduler.Apply(now)
			known()
		})
	})
	following.Go(func() { s.accounts.follow(work, accountsKnown) })
	verifying.Go(func() {
		for _, known := range []chan struct{}{settingsKnown, accountsKnown} {
			select {
			case <-known:
			case <-ctx.Done():
				return
			}
		}
		c.ready()
		s.verify(ctx, work)
	})
	every := c.every
	if every <= 0 {
		every = time.Minute
	}
	var said time.Time
	scheduler.Run(ctx, every, func() {
		if time.Since(said) >= every/2 {
			said = time.Now()
			c.alive()
		}
	})
}
