// Package console serves the box's API over HTTPS to the holders of a client key (package api).
//
// A call passes TLS (certificate.go), the door (server.go, keys.go) and the table of methods (methods.go),
// which hands it to the store. The service keeps nothing and decides nothing else.
package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"postroom/services/console/api"
	"postroom/services/contract"
	"postroom/services/process"

	"golang.org/x/net/netutil"
)

// Limits of a connection. A request, its call and its answer have their time one after the other.
const (
	maxConnections = 64 // at each listening socket
	maxHeader      = 16 << 10
	headerTimeout  = 10 * time.Second // the handshake has as much
	requestTimeout = time.Minute
	answerTimeout  = time.Minute
	idleTimeout    = 2 * time.Minute
)

// drain is how long calls under way may take when the service stops.
const drain = 8 * time.Second

// server is what all connections share.
type server struct {
	// Set once.
	admin *contract.Client[contract.AdminService]
	keys  clientKeys
	log   *slog.Logger

	// Swapped whole whenever the settings change.
	certificate atomic.Pointer[tls.Certificate]
}

// serve accepts connections until stopping ends, and returns when the last call has been answered, or drain is
// over.
func (s *server) serve(stopping context.Context, listeners []net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // one call after the other needs no HTTP/2
	h := &http.Server{
		Handler:           s,
		TLSConfig:         s.newTLS(),
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout + api.AnswerTimeout + answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// Handshakes that fail, mostly: anybody can make them.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, len(listeners)) // one each
	var serving sync.WaitGroup
	defer serving.Wait()
	for _, l := range listeners {
		serving.Go(func() { ended <- h.ServeTLS(netutil.LimitListener(l, maxConnections), "", "") })
	}
	var failure error
	select {
	case <-stopping.Done():
	case err := <-ended:
		failure = fmt.Errorf("accept connections: %w", err)
	}
	process.Tell(s.log, process.Stopping)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stopping), drain)
	defer cancel()
	if err := h.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("calls under way are cut off", "after", drain)
		h.Close()
	}
	return failure
}
