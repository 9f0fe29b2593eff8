package validator

import (
	"context"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"postroom/services/contract"

	"github.com/containerd/ttrpc"
)

var testAccount = []byte("account-00000001")

// fakeStore keeps an In Queue as the store does, behind a real socket: it gives each message to one worker,
// and counts a death for what a worker has when its life line breaks.
type fakeStore struct {
	dir string // of segments and the socket

	mu     sync.Mutex
	queue  []*contract.TakeResponse
	taken  map[uint64]uint64 // worker by message
	lines  map[chan struct{}]struct{}
	last   uint64 // message id
	offset map[uint32]uint64
	server *ttrpc.Server
	conns  []net.Conn
	settle func(*contract.SettleRequest) error // may refuse

	took       chan uint64
	settled    chan *contract.SettleRequest
	released   chan uint64
	died       chan uint64
	conditions chan *contract.Condition
}

func newFakeStore(t testing.TB) *fakeStore {
	t.Helper()
	dir, err := os.MkdirTemp("", "validator") // a Unix socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fakeStore{
		dir:    dir,
		taken:  make(map[uint64]uint64),
		lines:  make(map[chan struct{}]struct{}),
		offset: make(map[uint32]uint64),
		// More than any test makes.
		took:       make(chan uint64, 100),
		settled:    make(chan *contract.SettleRequest, 100),
		released:   make(chan uint64, 100),
		died:       make(chan uint64, 100),
		conditions: make(chan *contract.Condition, 100),
	}
	f.open(t)
	t.Cleanup(f.close)
	return f
}

func (f *fakeStore) socket() string          { return filepath.Join(f.dir, "validator.sock") }
func (f *fakeStore) segment(n uint32) string { return filepath.Join(f.dir, fmt.Sprintf("%08d.seg", n)) }

// open begins to serve; close breaks every connection.
func (f *fakeStore) open(t testing.TB) {
	t.Helper()
	server, err := contract.NewServer()
	if err != nil {
		t.Error(err) // may be called beside the test
		return
	}
	contract.RegisterValidatorService(server, f)
	contract.RegisterCommonService(server, f)
	l, err := net.Listen("unix", f.socket())
	if err != nil {
		t.Error(err) // may be called beside the test
		return
	}
	f.mu.Lock()
	f.server = server
	f.mu.Unlock()
	go server.Serve(context.Background(), listener{l, f})
}

func (f *fakeStore) close() {
	f.mu.Lock()
	server, conns := f.server, f.conns
	f.conns = nil
	f.mu.Unlock()
	server.Close() // leaves connections open that have a stream
	for _, c := range conns {
		c.Close()
	}
}

// listener notes what it accepts.
type listener struct {
	net.Listener
	f *fakeStore
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.f.mu.Lock()
		defer l.f.mu.Unlock()
		l.f.conns = append(l.f.conns, c)
	}
	return c, err
}

// add puts a mail into the In Queue, its body into the segment.
func (f *fakeStore) add(t testing.TB, segment uint32, body string, deaths uint32) *contract.TakeResponse {
	t.Helper()
	file, err := os.OpenFile(f.segment(segment), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const between = "header"
	if _, err := file.WriteString(between + body); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	where := &contract.Body{
		Segment: segment,
		Offset:  f.offset[segment] + uint64(len(between)),
		Length:  uint64(len(body)),
		Crc32C:  crc32.Checksum([]byte(body), castagnoli),
	}
	f.offset[segment] += uint64(len(between) + len(body))
	f.mu.Unlock()
	return f.put(where, deaths)
}

// put puts a row into the In Queue.
func (f *fakeStore) put(where *contract.Body, deaths uint32) *contract.TakeResponse {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	m := &contract.TakeResponse{Id: f.last, Account: testAccount, Body: where, Deaths: deaths}
	f.queue = append(f.queue, m)
	f.again()
	return m
}

// again says "look again"; mu is held.
func (f *fakeStore) again() {
	for look := range f.lines {
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

func (f *fakeStore) Work(ctx context.Context, q *contract.WorkRequest, stream contract.Validator_WorkServer) error {
	look := make(chan struct{}, 1)
	look <- struct{}{}
	f.mu.Lock()
	f.lines[look] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.lines, look)
		for _, m := range f.queue {
			if f.taken[m.Id] == q.Worker {
				m.Deaths++
				delete(f.taken, m.Id)
				f.died <- m.Id
			}
		}
		f.again()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look:
		}
		if err := stream.Send(&contract.Look{}); err != nil {
			return err
		}
	}
}

func (f *fakeStore) Take(_ context.Context, q *contract.TakeRequest) (*contract.TakeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.queue {
		if f.taken[m.Id] != 0 {
			continue
		}
		f.taken[m.Id] = q.Worker
		f.took <- m.Id
		return &contract.TakeResponse{Id: m.Id, Account: m.Account, Body: m.Body, Deaths: m.Deaths, Incomplete: m.Incomplete}, nil
	}
	return &contract.TakeResponse{None: true}, nil
}

func (f *fakeStore) Settle(_ context.Context, q *contract.SettleRequest) (*contract.SettleResponse, error) {
	f.mu.Lock()
	settle := f.settle
	f.mu.Unlock()
	if settle != nil {
		if err := settle(q); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, m := range f.queue {
		if m.Id == q.Id {
			f.queue = append(f.queue[:i:i], f.queue[i+1:]...)
			delete(f.taken, q.Id)
			f.settled <- q
			break
		}
	}
	return &contract.SettleResponse{}, nil
}

func (f *fakeStore) Release(_ context.Context, q *contract.ReleaseRequest) (*contract.ReleaseResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.taken, q.Id)
	f.released <- q.Id
	f.again()
	return &contract.ReleaseResponse{}, nil
}

func (f *fakeStore) Watch(context.Context, *contract.WatchRequest, contract.Common_WatchServer) error {
	return contract.ErrForbidden
}

func (f *fakeStore) GetSettings(context.Context, *contract.GetSettingsRequest) (*contract.GetSettingsResponse, error) {
	return nil, contract.ErrForbidden
}

func (f *fakeStore) SetCondition(_ context.Context, q *contract.SetConditionRequest) (*contract.SetConditionResponse, error) {
	f.conditions <- q.Condition
	return &contract.SetConditionResponse{}, nil
}

// start runs a validator with so many places; stop ends it as SIGTERM does, and waits for it.
func start(t testing.TB, f *fakeStore, places int) (stop func()) {
	t.Helper()
	v := newTestValidator(t, f)
	v.places = make(chan struct{}, places)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.serve(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

func newTestValidator(t testing.TB, f *fakeStore) *validator {
	t.Helper()
	bodies, err := os.OpenRoot(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bodies.Close() })
	client := contract.NewClient(f.socket(), contract.NewValidatorClient)
	t.Cleanup(func() { client.Close() })
	return newValidator(client, bodies, 0, slog.New(slog.DiscardHandler))
}
