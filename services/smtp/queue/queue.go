// Package queue runs the Transport Queue: it tries each mail by its way, in its time, again and again, and has the store keep
// what came of it, with the word to its sender, in one commit.
package queue

import (
	"context"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/smtp/relay"
	"postroom/services/smtp/route"
)

// Config is what a runner works with.
type Config struct {
	Store    Store
	Bodies   *os.Root                  // the folder of the store's segments
	Settings func() *settings.Settings // those in force, swapped whole: a change is another pointer
	Log      *slog.Logger

	Patience time.Duration // for tries under way when ctx ends; 0: 9 s

	// For tests; zero: the network, the system's roots, RFC 5321's times, port 25.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Roots  *x509.CertPool
	Times  relay.Times
	PortMX uint16
}

const (
	defaultPatience = 9 * time.Second
	lookEvery       = time.Second // for other settings
	longest         = time.Minute // without a look at the clock, which may have jumped
)

// runner is a run of the queue.
type runner struct {
	Config
	id   uint64
	wake chan struct{} // holds 1: look at the lines again
	pool *pool

	mu       sync.Mutex
	settings *settings.Settings // that the ways were found by
	mails    map[uint64]*mail
	lines    *lines
	ways     map[route.Way]*route.Way
	ended    uint64 // counts tries that ended
	logins   uint64 // counts changes of login data
}

// Run works until ctx ends, and tries under way have ended or Config.Patience is over. What is then under way is tried again by
// the next runner.
func Run(ctx context.Context, c Config) error {
	if c.Patience <= 0 {
		c.Patience = defaultPatience
	}
	if c.PortMX == 0 {
		c.PortMX = 25
	}
	r := newRunner(c)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(c.Patience, cancel) })()
	var following, trying sync.WaitGroup
	defer following.Wait()
	defer cancel() // the life line ends when nothing is under way any more
	defer r.pool.close()
	defer trying.Wait()
	following.Go(func() { r.follow(work) })
	for ctx.Err() == nil {
		r.start(work, &trying)
		timer := time.NewTimer(r.pause())
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
		r.pool.sweep()
	}
	return nil
}

func newRunner(c Config) *runner {
	return &runner{Config: c, id: rand.Uint64(), wake: make(chan struct{}, 1), pool: newPool(), settings: c.Settings(),
		mails: map[uint64]*mail{}, lines: newLines(), ways: map[route.Way]*route.Way{}}
}

// follow takes what the store says of the queue.
func (r *runner) follow(ctx context.Context) {
	look, logins := r.Store.Deliver(ctx, r.id), r.Store.Logins(ctx)
	select { // the first isn't a change: a start doesn't hasten what waits
	case <-ctx.Done():
	case <-logins:
	}
	var cursor []byte
	var again <-chan time.Time // behind a listing that failed
	for {
		select {
		case <-ctx.Done():
			return
		case <-logins:
			r.loginsChanged()
			continue
		case <-look:
		case <-again:
		}
		again = nil
		for more := true; more; {
			r.mu.Lock()
			began := r.ended
			r.mu.Unlock()
			answer, err := r.Store.ListTransport(ctx, &contract.ListTransportRequest{Cursor: cursor})
			if err != nil {
				if ctx.Err() == nil {
					r.Log.Error("queue not listed", "err", err)
				}
				again = time.After(storePause)
				break
			}
			r.update(answer.Entries, began)
			cursor, more = answer.Cursor, answer.More
		}
	}
}

// start begins what is due.
func (r *runner) start(ctx context.Context, trying *sync.WaitGroup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applySettings()
	for {
		it := r.lines.next(time.Now())
		if it == nil {
			return
		}
		trying.Go(func() { r.run(ctx, it) })
	}
}

// pause is how long nothing is due.
func (r *runner) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := min(longest, lookEvery)
	if asleep, at := r.lines.peek(); asleep && time.Until(at) < d {
		d = max(0, time.Until(at))
	}
	return d
}

func (r *runner) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// applySettings finds all ways anew where the settings changed. Called with mu held.
func (r *runner) applySettings() {
	now := r.Settings()
	if now == r.settings {
		return
	}
	r.settings = now
	for _, m := range r.mails {
		r.arrange(m)
	}
}
