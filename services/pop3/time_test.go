package pop3

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
	"postroom/services/gate"
)

// piped is the service over a pipe, its store in memory: time passes when all wait.
type piped struct {
	*fakeStore
	*client
	server *server
	ended  chan struct{}      // closed when the connection has ended
	stop   context.CancelFunc // SIGTERM
}

// pipeFrom begins a connection from an address.
func pipeFrom(t *testing.T, f *fakeStore, address string) *piped {
	t.Helper()
	server := newTestServer(t, f, f.dir, new(logBuffer))
	server.settings.Store(f.settings)
	return pipeTo(t, f, server, address)
}

func pipeTo(t *testing.T, f *fakeStore, server *server, address string) *piped {
	near, far := net.Pipe()
	stopping, stop := context.WithCancel(t.Context())
	p := &piped{fakeStore: f, client: newClient(t, near), server: server, ended: make(chan struct{}), stop: stop}
	near.SetDeadline(time.Time{})
	server.work.Go(func() {
		defer close(p.ended)
		newSession(server, fromAddress{far, address}).serve(t.Context(), stopping, false)
	})
	p.want("+OK")
	return p
}

// fromAddress is a connection that came from somewhere.
type fromAddress struct {
	net.Conn
	address string
}

func (f fromAddress) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.address))
}

const (
	inside  = "192.168.1.7:40000" // in the enrolment networks
	outside = "203.0.113.7:40000" // not
)

// end leaves nothing running in the bubble.
func (p *piped) end() {
	p.nc.Close()
	<-p.ended
	p.server.work.Wait()
	p.stop()
}

func TestIdle(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	synctest.Test(t, func(t *testing.T) {
		p := pipeFrom(t, f, inside)
		defer p.end()
		p.logIn()
		p.ask("RETR 1", "+OK")
		p.text()
		time.Sleep(idle - time.Second)
		p.ask("NOOP", "+OK")
		began := time.Now()
		p.send("NO") // trickling a command gains nothing
		if got := p.wantClosed(); got != "" {
			t.Errorf("an idle client got %q, want nothing (RFC 1939 §3)", got)
		}
		if took := time.Since(began); took != idle {
			t.Errorf("closed after %v, want %v", took, idle)
		}
		<-p.ended
		p.server.work.Wait()
		if got := ids(<-f.polls); got != "" {
			t.Errorf("leaves: got %q, want nothing", got)
		}
		if p.server.locks.len() != 0 {
			t.Error("the account is still held")
		}
	})
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	synctest.Test(t, func(t *testing.T) {
		p := pipeFrom(t, f, inside)
		defer p.end()
		p.logIn()
		for range 8 {
			time.Sleep(lastCall / 8)
			p.ask("RETR 1", "+OK")
			p.text()
		}
		time.Sleep(time.Second)
		p.ask("RETR 1", "-ERR [SYS/TEMP] this session has lasted too long")
		p.ask("QUIT", "+OK")
		if got := ids(<-f.polls); got != "1" {
			t.Errorf("leaves: got %q, want 1", got)
		}
	})
}

func TestLifetimeOfOneThatGoesOn(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	synctest.Test(t, func(t *testing.T) {
		p := pipeFrom(t, f, inside)
		defer p.end()
		began := time.Now()
		sent := make(chan struct{})
		defer func() { <-sent }()
		go func() {
			defer close(sent)
			for range 200 {
				if _, err := io.WriteString(p.nc, "CAPA\r\n"); err != nil {
					return
				}
				time.Sleep(time.Minute)
			}
		}()
		p.wantClosed()
		if took := time.Since(began); took > lifetime {
			t.Errorf("closed after %v, want at most %v", took, lifetime)
		}
	})
}

// A handshake that doesn't come to its end doesn't hold a place for long.
func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	synctest.Test(t, func(t *testing.T) {
		p := pipeFrom(t, f, inside)
		defer p.end()
		p.ask("STLS", "+OK")
		began := time.Now()
		p.wantClosed()
		if took := time.Since(began); took != maxHandshake {
			t.Errorf("closed after %v, want %v", took, maxHandshake)
		}
	})
}

// A store that isn't reached within endWait: nothing is changed, and the client is told.
func TestQuitTimesOut(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	f.end = func(ctx context.Context, _ *contract.EndPollRequest) error {
		<-ctx.Done()
		return ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		p := pipeFrom(t, f, inside)
		defer p.end()
		p.logIn()
		p.ask("DELE 1", "+OK")
		began := time.Now()
		p.ask("QUIT", "-ERR [SYS/TEMP] ")
		if took := time.Since(began); took != endWait {
			t.Errorf("refused after %v, want %v", took, endWait)
		}
		<-p.ended
		p.server.work.Wait()
		if len(f.queue) != 1 {
			t.Error("the message left")
		}
	})
}

// A stop ends a session that is not logged in at once; one at work ends behind its command, or goes on to its
// QUIT, as long as it doesn't pause.
func TestStopOfSessions(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	f.add(t, testPrefix, "Subject: one\r\n\r\nfirst\r\n")
	f.login = func(ctx context.Context, _ *contract.LoginRequest) (*contract.LoginResponse, error) {
		time.Sleep(20 * time.Second)
		return &contract.LoginResponse{Outcome: contract.LoginResponse_ACCEPTED, Account: testAccount}, nil
	}
	synctest.Test(t, func(t *testing.T) {
		nameless, polling, paused := pipeFrom(t, f, inside), pipeFrom(t, f, inside), pipeFrom(t, f, inside)
		for _, p := range []*piped{nameless, polling, paused} {
			defer p.end()
		}
		paused.ask("USER "+testName, "+OK")
		paused.ask("PASS "+testPassword, "+OK")
		polling.ask("USER "+testName, "+OK")
		polling.send("PASS " + testPassword + "\r\n")
		synctest.Wait()
		began := time.Now()
		nameless.stop()
		nameless.wantClosed()
		if took := time.Since(began); took != 0 {
			t.Errorf("a session that is not logged in ended after %v", took)
		}
		paused.stop()
		paused.wantClosed()
		if took := time.Since(began); took != finishPause {
			t.Errorf("a session that pauses ended after %v, want %v", took, finishPause)
		}
		polling.stop()
		polling.want("+OK logged in")
		for range 3 {
			time.Sleep(finishPause - time.Millisecond)
			polling.ask("NOOP", "+OK")
		}
		polling.ask("DELE 1", "+OK")
		polling.ask("QUIT", "+OK")
		polling.wantClosed()
		if got := ids(<-f.polls); got != "" {
			t.Errorf("the session that paused let %q leave", got)
		}
		if got := ids(<-f.polls); got != "1" {
			t.Errorf("leaves: got %q, want message 1", got)
		}
	})
}

// DESIGN §5: outside the enrolment networks every refusal has the same words and comes after the same time.
func TestUniformRefusals(t *testing.T) {
	t.Parallel()
	type answer struct {
		after time.Duration
		give  *contract.LoginResponse
		err   error
	}
	refused := &contract.LoginResponse{Outcome: contract.LoginResponse_REFUSED, Text: "wrong password"}
	temporary := &contract.LoginResponse{Outcome: contract.LoginResponse_TEMPORARY, Text: "pop3.example.org doesn't answer"}
	marked := &contract.LoginResponse{Outcome: contract.LoginResponse_REFUSED, Text: "x", Uniform: true}
	for _, tt := range []struct {
		name, address string
		answer        answer
		want          string
		took          time.Duration
	}{
		{"outside, refused", outside, answer{0, refused, nil}, "-ERR [AUTH] login refused (conn *)", gate.UniformWait},
		{"outside, refused by the provider", outside, answer{4 * time.Second, refused, nil}, "-ERR [AUTH] login refused (conn *)", gate.UniformWait},
		{"outside, refused by a slow provider", outside, answer{9 * time.Second, refused, nil}, "-ERR [AUTH] login refused (conn *)", gate.UniformWait},
		{"outside, temporary", outside, answer{time.Second, temporary, nil}, "-ERR [AUTH] login refused (conn *)", gate.UniformWait},
		{"outside, no answer", outside, answer{2 * gate.LoginWait, nil, errors.New("x")}, "-ERR [AUTH] login refused (conn *)", gate.UniformWait},
		{"outside, the store's error", outside, answer{0, nil, errors.New("x")}, "-ERR [AUTH] login refused (conn *)", gate.UniformWait},
		{"the store says so", inside, answer{0, marked, nil}, "-ERR [AUTH] login refused (conn *)", gate.UniformWait},
		{"inside, refused", inside, answer{0, refused, nil}, "-ERR [AUTH] wrong password (conn *)", 0},
		{"inside, temporary", inside, answer{9 * time.Second, temporary, nil}, "-ERR [SYS/TEMP] pop3.example.org doesn't answer (conn *)", 9 * time.Second},
		{"inside, the store's error", inside, answer{0, nil, errors.New("x")}, "-ERR [SYS/TEMP] the mailbox can't be reached, try again later (conn *)", 0},
		{"inside, no answer", inside, answer{2 * gate.LoginWait, nil, nil}, "-ERR [SYS/TEMP] the mailbox can't be reached, try again later (conn *)", gate.LoginWait},
		{"inside, no outcome", inside, answer{0, &contract.LoginResponse{}, nil}, "-ERR [SYS/TEMP] the mailbox*", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeStore(t)
			f.login = func(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
				if at, _, _ := strings.Cut(tt.address, ":"); q.Address != at || q.Password != "wrong" {
					t.Errorf("the store is asked about address %q", q.Address)
				}
				select {
				case <-time.After(tt.answer.after):
					return tt.answer.give, tt.answer.err
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			synctest.Test(t, func(t *testing.T) {
				p := pipeFrom(t, f, tt.address)
				defer p.end()
				p.ask("USER "+testName, "+OK")
				began := time.Now()
				got := p.ask("PASS wrong", "-ERR")
				if took := time.Since(began); took != tt.took {
					t.Errorf("refused after %v, want %v", took, tt.took)
				}
				if !pattern(tt.want).MatchString(got) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// What is found out behind a uniform refusal is not lost.
func TestVerificationGoesOn(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	synctest.Test(t, func(t *testing.T) {
		done := make(chan error, 1)
		f.login = func(ctx context.Context, _ *contract.LoginRequest) (*contract.LoginResponse, error) {
			time.Sleep(30 * time.Second)
			done <- ctx.Err()
			return nil, ctx.Err()
		}
		p := pipeFrom(t, f, outside)
		defer p.end()
		p.ask("USER "+testName, "+OK")
		p.ask("PASS "+testPassword, "-ERR [AUTH] login refused")
		p.nc.Close()
		if err := <-done; err != nil {
			t.Errorf("the store's work was cut off: %v", err)
		}
	})
}

func TestWaitForTheLock(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	synctest.Test(t, func(t *testing.T) {
		first := pipeFrom(t, f, inside)
		second := pipeTo(t, f, first.server, inside)
		defer second.end()
		defer first.end()
		first.logIn()
		second.ask("USER "+testName, "+OK")
		second.send("PASS " + testPassword + "\r\n")
		time.Sleep(lockWait / 2)
		first.ask("QUIT", "+OK")
		began := time.Now()
		second.want("+OK")
		if took := time.Since(began); took != 0 {
			t.Errorf("logged in %v after the lock was free", took)
		}
	})
}
