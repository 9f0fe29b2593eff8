package contract

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/ttrpc"
)

// fake answers calls of the common service.
type fake struct {
	CommonService
	calls  atomic.Int32
	answer func(ctx context.Context) error
	look   chan struct{}
}

func (f *fake) SetCondition(ctx context.Context, _ *SetConditionRequest) (*SetConditionResponse, error) {
	f.calls.Add(1)
	return &SetConditionResponse{}, f.answer(ctx)
}

func (f *fake) Watch(ctx context.Context, _ *WatchRequest, s Common_WatchServer) error {
	for {
		if err := s.Send(&Look{}); err != nil {
			return err
		}
		select {
		case <-f.look:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// conns keeps what a listener accepted, so that its end is that of a process.
type conns struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func (l *conns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.open = append(l.open, c)
		l.mu.Unlock()
	}
	return c, err
}

// serve serves f at path until the function that it gives is called: then it is as if the process were killed.
func serve(t *testing.T, path string, f *fake) (kill func()) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener := &conns{Listener: l}
	server, err := NewServer()
	if err != nil {
		t.Fatal(err)
	}
	RegisterCommonService(server, f)
	done := make(chan error, 1)
	go func() { done <- server.Serve(context.Background(), listener) }()
	return func() {
		server.Close()
		if err := <-done; !errors.Is(err, ttrpc.ErrServerClosed) {
			t.Error(err)
		}
		listener.mu.Lock()
		defer listener.mu.Unlock()
		for _, c := range listener.open {
			c.Close()
		}
	}
}

func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "contract")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func good(context.Context) error { return nil }

func TestCallIsRepeatedOverARestart(t *testing.T) {
	t.Parallel()
	path := socket(t)
	first := &fake{}
	entered := make(chan struct{})
	first.answer = func(ctx context.Context) error {
		close(entered)
		<-ctx.Done() // the store dies before it answers
		return ctx.Err()
	}
	stop := serve(t, path, first)
	c := NewClient(path, NewCommonClient)
	defer c.Close()
	done := make(chan error, 1)
	go func() {
		_, err := Call(t.Context(), c, CommonClient.SetCondition, &SetConditionRequest{})
		done <- err
	}()
	<-entered
	stop()
	second := &fake{answer: good}
	defer serve(t, path, second)()
	if err := <-done; err != nil || second.calls.Load() != 1 {
		t.Errorf("got %v, %d calls of the second store", err, second.calls.Load())
	}
}

func TestAnswerOfTheStoreIsNotRepeated(t *testing.T) {
	t.Parallel()
	path := socket(t)
	f := &fake{answer: func(context.Context) error { return ErrFull }}
	defer serve(t, path, f)()
	c := NewClient(path, NewCommonClient)
	defer c.Close()
	if _, err := Call(t.Context(), c, CommonClient.SetCondition, &SetConditionRequest{}); !errors.Is(err, ErrFull) || f.calls.Load() != 1 {
		t.Errorf("got %v, %d calls", err, f.calls.Load())
	}
}

// A call that its caller gives up leaves the connection to the others.
func TestCancelledCallKeepsTheConnection(t *testing.T) {
	t.Parallel()
	path := socket(t)
	entered := make(chan struct{}, 1)
	f := &fake{answer: func(ctx context.Context) error {
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
	defer serve(t, path, f)()
	c := NewClient(path, NewCommonClient)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if _, err := Call(ctx, c, CommonClient.SetCondition, &SetConditionRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	before := c.client
	if before == nil {
		t.Fatal("the connection is gone")
	}
	f.answer = good
	if _, err := Call(t.Context(), c, CommonClient.SetCondition, &SetConditionRequest{}); err != nil || c.client != before {
		t.Errorf("got %v; the connection is another: %t", err, c.client != before)
	}
}

func TestWatchSpeaksAgainAfterARestart(t *testing.T) {
	t.Parallel()
	path := socket(t)
	stop := serve(t, path, &fake{})
	c := NewClient(path, NewCommonClient)
	defer c.Close()
	look := Watch(t.Context(), c, Topic_TOPIC_QUEUES)
	<-look
	stop()
	again := &fake{look: make(chan struct{})}
	defer serve(t, path, again)()
	<-look
	again.look <- struct{}{}
	<-look
}

// A request that can't be put into words is its caller's fault: it isn't repeated, and other calls keep their connection.
func TestCallThatCannotBeSent(t *testing.T) {
	t.Parallel()
	path := socket(t)
	f := &fake{answer: func(context.Context) error { return nil }}
	defer serve(t, path, f)()
	client := NewClient(path, NewCommonClient)
	defer client.Close()
	set := func(text string) error {
		_, err := Call(t.Context(), client, CommonClient.SetCondition, &SetConditionRequest{Condition: &Condition{Subject: text}})
		return err
	}
	if err := set("x"); err != nil {
		t.Fatal(err)
	}
	before, err := client.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // a call that is repeated ends by it
	defer cancel()
	_, err = Call(ctx, client, CommonClient.SetCondition, &SetConditionRequest{Condition: &Condition{Subject: "\xff"}})
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want %v", err, ErrInvalid)
	}
	if after, err := client.get(t.Context()); err != nil || after != before {
		t.Errorf("the connection was closed: %v", err)
	}
}
