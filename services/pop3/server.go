// Package pop3 is the POP3 server: it serves each account's Out Queue to mail clients.
//
// A connection is a session, one goroutine that answers one command after the other (session.go,
// command.go, and a file a command). All that lasts is the store's; of the bodies it only reads the files.
package pop3

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"postroom/services/certificate"
	"postroom/services/gate"
	"postroom/services/settings"
)

// When the service stops, or another instance takes its place, polls may be finished: a session that is logged in
// goes on as long as its client doesn't pause for finishPause, and all end within drain.
const (
	drain       = 30 * time.Second
	finishPause = 5 * time.Second
)

// server is what all connections share.
type server struct {
	// Set once.
	id     uint64 // random: names this run to the store
	store  store
	bodies *os.Root // the folder of segments
	log    *slog.Logger
	tls    *tls.Config

	// Swapped whole whenever the settings change.
	settings atomic.Pointer[settings.Settings]

	certificate *certificate.Current
	locks       locks
	places      gate.Places
	logins      *gate.Logins
	work        sync.WaitGroup // sessions, and what they left to the background
}

func newServer(store store, bodies *os.Root, log *slog.Logger) *server {
	s := &server{id: rand.Uint64(), store: store, bodies: bodies, log: log}
	s.certificate = certificate.New(store.GetCertificate)
	s.tls = s.certificate.TLS()
	s.logins = gate.NewLogins(store.Login, s.background)
	return s
}

// apply takes settings into force. Sessions ask for them when they need them, so what changes who may log in
// holds for the next login.
func (s *server) apply(ctx context.Context, in *settings.Settings) {
	s.settings.Store(in)
	s.certificate.Load(ctx, in.TLS, s.log)
}

// serve accepts connections until stopping ends, and returns when the last session and its background work
// have ended: those that are not logged in at once, or behind their command, the others behind their poll.
func (s *server) serve(stopping context.Context, plain, implicitTLS []net.Listener) {
	ctx, cut := context.WithCancel(context.WithoutCancel(stopping))
	defer cut()
	defer context.AfterFunc(stopping, func() { time.AfterFunc(drain, cut) })()

	var accepting sync.WaitGroup
	for _, l := range plain {
		accepting.Go(func() { s.accept(ctx, stopping, l, false) })
	}
	for _, l := range implicitTLS {
		accepting.Go(func() { s.accept(ctx, stopping, l, true) })
	}
	<-stopping.Done()
	accepting.Wait()
	s.work.Wait()
}

// background runs work that outlasts the command that wanted it, and maybe its session, for at most so long.
// Only sessions call it.
func (s *server) background(ctx context.Context, most time.Duration, work func(context.Context)) {
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		work(ctx)
	})
}
