package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A system is a supervisor with real processes.
type system struct {
	*Supervisor
	stop func() // ends it and waits for that; may be called again
}

func run(t *testing.T, config Config) *system {
	t.Helper()
	config.Reaper = NewReaper(false)
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
		config.Reaper.Close()
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return &system{Supervisor: s, stop: stop}
}

func (s *system) add(t *testing.T, service Service) {
	t.Helper()
	if err := s.Add(t.Context(), service); err != nil {
		t.Fatal(err)
	}
}

func (s *system) ready(t *testing.T, names ...string) {
	t.Helper()
	if err := s.WaitReady(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
}

func (s *system) status(t *testing.T, name string) ServiceStatus {
	t.Helper()
	return state(t, s.Supervisor, name)
}

// until waits for a status.
func (s *system) until(t *testing.T, name string, is func(ServiceStatus) bool) ServiceStatus {
	t.Helper()
	changes, end, err := s.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	limit := time.After(30 * time.Second)
	for {
		select {
		case <-changes:
			if status := s.status(t, name); is(status) {
				return status
			}
		case <-limit:
			t.Fatalf("service %s never came to it: %+v", name, s.status(t, name))
		}
	}
}

func listen(t *testing.T, name string) Socket {
	t.Helper()
	socket, err := Listen(name, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return socket
}

// A line is a connection to a talker.
type line struct {
	conn    net.Conn
	answers *bufio.Reader
}

func dial(t *testing.T, socket Socket) *line {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(socket.Address, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, socket.Address)
	if err != nil {
		t.Fatalf("connect to %s: %v", socket.Name, err)
	}
	t.Cleanup(func() { conn.Close() })
	return &line{conn: conn, answers: bufio.NewReader(conn)}
}

func (l *line) ask(t *testing.T, format string, args ...any) string {
	t.Helper()
	l.conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(l.conn, format+"\n", args...)
	answer, err := l.answers.ReadString('\n')
	if err != nil {
		t.Fatalf("ask %q: %v", fmt.Sprintf(format, args...), err)
	}
	return strings.TrimSpace(answer)
}

// gone waits until the other side has ended.
func (l *line) gone(t *testing.T) {
	t.Helper()
	l.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if answer, err := l.answers.ReadString('\n'); err == nil || os.IsTimeout(err) {
		t.Fatalf("wait for the end: answer %q, error %v", answer, err)
	}
}

func file(t *testing.T, folder, name string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
