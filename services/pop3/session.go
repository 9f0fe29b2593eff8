package pop3

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
	"runtime/debug"
	"time"

	"postroom/services/bodies"
	"postroom/services/gate"
	"postroom/services/wire"
)

const (
	maxBadCommands  = 10 // of one connection; then it is closed
	maxFailedLogins = 3  // of one connection; then it is closed

	idle         = 10 * time.Minute // RFC 1939 §3: not less
	lastCall     = 50 * time.Minute // from then on, QUIT is the only command left
	lifetime     = time.Hour        // no session is longer
	maxHandshake = 30 * time.Second // a TLS handshake
)

// What ends a session, beside the errors of its connection.
var (
	errPanic = errors.New("panic")
	errGone  = errors.New("the client closed the connection")
)

var errOutlived = &refusal{
	code:     codeTemp,
	text:     "this session has lasted too long: give QUIT to keep what you have, and log in again",
	protocol: true,
}

var errTLSHere = &refusal{
	text:     "this port begins without TLS: set the client to STARTTLS, or to the other port",
	protocol: true,
}

// session is one connection: a dialogue in the states AUTHORIZATION, TRANSACTION and UPDATE (RFC 1939 §3).
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
	log     *slog.Logger
	state   states
	name    string   // what USER named, until PASS or STLS
	inUTF8  bool     // UTF8 was given
	mailbox *mailbox // in TRANSACTION
	bad     int      // commands that broke the protocol
	failed  int      // logins
	over    bool     // the connection is closed behind this reply

	segments bodies.Segments
}

func newSession(server *server, nc net.Conn) *session {
	s := &session{
		server: server,
		conn:   wire.NewConn(nc, wire.Timeouts{Command: idle}),
		id:     newID(),
		began:  time.Now(),
		state:  authorization,

		segments: bodies.Segments{Folder: server.bodies},
	}
	s.client = gate.Client(nc)
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

// serve holds the dialogue. When stopping ends, so does the session, behind its poll if it is logged in; when
// ctx ends, at once. It closes the connection.
func (s *session) serve(ctx, stopping context.Context, implicitTLS bool) {
	defer context.AfterFunc(ctx, s.conn.Interrupt)()
	defer context.AfterFunc(stopping, s.waits.Close)()
	defer time.AfterFunc(lifetime, s.conn.Interrupt).Stop()

	s.log.Debug("connection", "address", s.client, "tls", implicitTLS)
	err := s.guarded(ctx, implicitTLS)
	err = errors.Join(err, s.conn.Close())
	s.segments.Close()
	s.dropMailbox(ctx)
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
		if err := s.startTLS(); err != nil {
			return err
		}
	}
	return s.dialogue(ctx)
}

// dialogue answers one command after the other. Its replies leave when the client has to be waited for, so
// those to pipelined commands leave together (RFC 2449 §6.6).
func (s *session) dialogue(ctx context.Context) error {
	// No "<…>" in the greeting: it would offer APOP (RFC 1939 §7).
	if err := s.ok(s.server.settings.Load().Appliance.Name + " POP3 server ready"); err != nil {
		return err
	}
	for !s.over {
		line, err := s.readLine(wire.MaxCommand)
		switch {
		case errors.Is(err, wire.ErrLineTooLong):
			err = s.answer("unknown", errTooLong)
		case errors.Is(err, wire.ErrTLSRecord):
			s.over = true
			err = s.answer("unknown", errTLSHere)
		case err != nil:
		case s.outlived(line):
			err = s.answer("unknown", errOutlived)
		default:
			err = s.execute(ctx, line)
		}
		if errors.Is(err, errGone) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return s.conn.Flush()
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
	if s.state == transaction {
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

// outlived tells whether the session is too old for this command. QUIT is always possible: a client on a
// slow line would otherwise get the same messages for ever.
func (s *session) outlived(line []byte) bool {
	return time.Since(s.began) > lastCall && !isQuit(line)
}
