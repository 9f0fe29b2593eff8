// Package smtp is the SMTP server: it takes mail from mail clients into the Transport Queue.
//
// A connection is a session, one goroutine that answers one command after the other (session.go, command.go, and a
// file a command). Who may send at all is in rcpt.go, what happens to the mail itself in submission. All that lasts is the
// store's.
package smtp

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"postroom/services/certificate"
	"postroom/services/contract"
	"postroom/services/gate"
	"postroom/services/settings"
)

// When the service stops, or another instance takes its place, mails may be finished: a session with one under way
// goes on as long as its client doesn't pause for finishPause, and all end within drain.
const (
	drain       = 30 * time.Second
	finishPause = 5 * time.Second
)

// server is what all connections share.
type server struct {
	// Set once.
	store store
	log   *slog.Logger
	tls   *tls.Config
	large chan struct{} // has one for each mail that holds a large part in memory

	// Swapped whole whenever the settings change.
	settings atomic.Pointer[settings.Settings]
	marked   atomic.Pointer[string]

	certificate *certificate.Current
	places      gate.Places
	logins      *gate.Logins
	rates       gate.Rates
	work        sync.WaitGroup // sessions, and what they left to the background
}

func newServer(store store, log *slog.Logger) *server {
	s := &server{store: store, log: log, large: make(chan struct{}, places)}
	s.certificate = certificate.New(store.GetCertificate)
	s.tls = s.certificate.TLS()
	s.logins = gate.NewLogins(store.Login, s.background)
	return s
}

// apply takes settings into force. Sessions ask for them when they need them, so what changes who may send
// holds for the next mail.
func (s *server) apply(ctx context.Context, in *settings.Settings) {
	s.certificate.Load(ctx, in.TLS, s.log)
	s.remark(ctx, in)
	s.settings.Store(in)
}

// remark finds what names this box in the mails that it was through: its name isn't its own alone, so it's a digest of that
// and of its certificate. A box that gets another certificate sees a loop a little later.
func (s *server) remark(ctx context.Context, in *settings.Settings) {
	ctx, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	answer, err := s.store.GetCertificate(ctx, &contract.GetCertificateRequest{})
	if err != nil {
		s.log.Warn("mails are not marked with this box", "err", err)
	}
	digest := sha256.Sum256([]byte(in.Appliance.Name + "\x00" + string(answer.GetCertificatePem())))
	mark := hex.EncodeToString(digest[:8])
	s.marked.Store(&mark)
}

// mark names this box in Received lines.
func (s *server) mark() string { return *s.marked.Load() }

// serve accepts connections until stopping ends, and returns when the last session and its background work
// have ended: those without a mail under way at once, or behind their command, the others behind their mail.
func (s *server) serve(stopping context.Context, plain, implicitTLS []net.Listener) {
	ctx, cut := context.WithCancel(context.WithoutCancel(stopping))
	defer cut()
	defer context.AfterFunc(stopping, func() { time.AfterFunc(drain, cut) })()

	var accepting sync.WaitGroup
	accept := func(l net.Listener, implicitTLS bool) {
		accepting.Go(func() {
			gate.Accept(stopping, l, s.log, func(nc net.Conn) { s.admit(ctx, stopping, nc, implicitTLS) })
		})
	}
	for _, l := range plain {
		accept(l, false)
	}
	for _, l := range implicitTLS {
		accept(l, true)
	}
	<-stopping.Done()
	accepting.Wait()
	s.work.Wait()
}

// admit starts a session, while there is room for one.
func (s *server) admit(ctx, stopping context.Context, nc net.Conn, implicitTLS bool) {
	session := newSession(s, nc)
	in := s.settings.Load().SMTP
	if full := s.places.Take(session.from, in.MaxConnections, in.MaxConnectionsPerAddress); full != nil {
		session.turnAway(full, implicitTLS)
		return
	}
	s.work.Go(func() {
		defer s.places.Leave(session.from)
		session.serve(ctx, stopping, implicitTLS)
	})
}

// turnAway refuses a connection. Without TLS it says why: the socket is new and takes one line at once.
func (s *session) turnAway(why error, implicitTLS bool) {
	s.log.Warn("connection turned away", "address", s.client, "err", why)
	defer s.conn.Close()
	if implicitTLS {
		return // a handshake would be work
	}
	if s.refuse(&refusal{code: 421, enhanced: "4.3.2", text: why.Error()}) == nil {
		s.conn.Flush()
	}
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
