package smtp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"postroom/services/gate"
	"postroom/services/wire"
)

const (
	maxCommand      = 2048 // octets, CRLF included; RFC 5321 §4.5.3.1.4 and its extensions need 1,100
	maxBad          = 10   // commands of one connection that broke the protocol; then it is closed
	maxIdle         = 100  // commands in a row that bring no mail; then it is closed
	maxFailedLogins = 3    // of one connection; then it is closed

	idle         = 5 * time.Minute  // RFC 5321 §4.5.3.2.7: not less; also between two pieces of a mail
	transfer     = time.Hour        // one mail, from its first octet to its last
	strangerTime = 10 * time.Minute // in which who is in no trusted network logs in
	maxHandshake = 30 * time.Second // a TLS handshake
)

// What ends a session, beside the errors of its connection.
var (
	errPanic = errors.New("panic")
	errGone  = errors.New("the client closed the connection")
)

var (
	errTLSHere  = &refusal{code: 554, enhanced: "5.5.1", text: "this port begins without TLS: set the client to STARTTLS, or to the other port", end: true}
	errWaited   = &refusal{code: 421, enhanced: "4.4.2", text: "nothing came for too long"}
	errStopping = &refusal{code: 421, enhanced: "4.3.2", text: "the service stops, try again at once"}
)

// session is one connection: a dialogue whose states are in command.go.
type session struct {
	// Set once.
	server *server
	conn   *wire.Conn
	id     string       // hexadecimal; names the connection in replies and in the log
	client netip.Addr   // the zero Addr where the connection has no IP address
	from   netip.Prefix // what counts as its address
	began  time.Time
	waits  *gate.Waits

	// Owned by the goroutine of the dialogue.
	log      *slog.Logger
	hello    string    // what the client says it is; empty: nothing yet
	extended bool      // by EHLO
	account  []byte    // that it logged in as; nil: none
	name     string    // of that account, as typed
	mail     *envelope // under way; nil: none
	bad      int       // commands that broke the protocol
	idled    int       // commands that brought no mail, since the last one
	failed   int       // logins
	over     bool      // the connection is closed behind this reply
	stranger *time.Timer
}

func newSession(server *server, nc net.Conn) *session {
	s := &session{
		server: server,
		conn:   wire.NewConn(nc, wire.Timeouts{Command: idle, Transfer: transfer}),
		id:     newID(),
		client: gate.Client(nc),
		began:  time.Now(),
	}
	s.from = gate.Origin(s.client)
	s.log = server.log.With("conn", s.id)
	s.waits = gate.NewWaits(s.conn.Interrupt)
	return s
}

func newID() string {
	var b [5]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// serve holds the dialogue. When stopping ends, so does the session, behind its mail if one is under way; when
// ctx ends, at once. It closes the connection.
func (s *session) serve(ctx, stopping context.Context, implicitTLS bool) {
	defer context.AfterFunc(ctx, s.conn.Interrupt)()
	defer context.AfterFunc(stopping, s.waits.Close)()
	if !s.server.settings.Load().Trusted(s.client) {
		s.stranger = time.AfterFunc(strangerTime, s.conn.Interrupt)
		defer s.stranger.Stop()
	}

	s.log.Debug("connection", "address", s.client, "tls", implicitTLS)
	err := s.guarded(ctx, implicitTLS)
	err = errors.Join(err, s.conn.Close())
	s.forgetMail(ctx)
	s.log.Debug("connection closed", "err", err, "took", time.Since(s.began))
}

// guarded turns a panic of this connection into its end.
func (s *session) guarded(ctx context.Context, implicitTLS bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in a connection", "err", p, "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	if implicitTLS {
		if err := s.handshake(); err != nil {
			return err
		}
	}
	return s.dialogue(ctx)
}

// dialogue answers one command after the other. Its replies leave when the client has to be waited for, so
// those to pipelined commands leave together (RFC 2920 §3.2).
func (s *session) dialogue(ctx context.Context) error {
	if err := s.say(220, "", s.server.settings.Load().Appliance.Name+" ESMTP Postroom"); err != nil {
		return err
	}
	for !s.over {
		line, err := s.readLine(maxCommand)
		switch {
		case errors.Is(err, wire.ErrLineTooLong):
			err = s.answer("unknown", errTooLong)
		case errors.Is(err, wire.ErrTLSRecord):
			err = s.answer("unknown", errTLSHere)
		case err != nil:
		default:
			err = s.execute(ctx, line)
		}
		if err == nil {
			err = s.patience()
		}
		if err != nil {
			return s.farewell(err)
		}
	}
	return s.conn.Flush()
}

// farewell tells a client why its session ends, where it can still be told (RFC 5321 §3.8).
func (s *session) farewell(err error) error {
	var last *refusal
	switch {
	case errors.Is(err, errGone):
		return nil
	case errors.Is(err, gate.ErrStopping):
		last = errStopping
	case errors.Is(err, os.ErrDeadlineExceeded):
		last = errWaited
	default:
		return err
	}
	if s.refuse(last) == nil {
		s.conn.Flush()
	}
	return err
}

// readLine waits for a line of the client. What was written is sent before: a stop must not cut it off as if
// the session were idle.
func (s *session) readLine(limit int) (line []byte, err error) {
	if s.conn.Buffered() == 0 {
		if err := s.conn.Flush(); err != nil {
			return nil, err
		}
	}
	pause := time.Duration(0)
	if s.mail != nil {
		pause = finishPause
	}
	err = s.waits.Wait(pause, func() error {
		line, err = s.conn.ReadLine(limit)
		return err
	})
	switch {
	case errors.Is(err, io.EOF):
		return nil, errGone
	case err != nil:
		return nil, fmt.Errorf("wait for a line: %w", err)
	}
	return line, nil
}
