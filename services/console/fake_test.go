package console

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"postroom/services/console/api"
	"postroom/services/contract"
	"postroom/services/settings"
)

// fakeStore answers calls of Admin as a test wants it, behind a real socket.
type fakeStore struct {
	contract.AdminService // nil: what a test doesn't give is not called

	mu       sync.Mutex
	settings *settings.Settings
	pair     [2][]byte // certificate and key, PEM
	problem  error     // of GetStatus
	watchers []chan struct{}
	served   chan struct{} // holds a word for each certificate that was given

	hold   chan struct{} // PauseAccount waits for it, once it is in
	holds  chan struct{}
	asked  sync.Map // last request by method
	octets []byte   // of every message
}

func (f *fakeStore) GetCertificate(context.Context, *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.served <- struct{}{}
	return &contract.GetCertificateResponse{CertificatePem: f.pair[0], KeyPem: f.pair[1]}, nil
}

func (f *fakeStore) GetSettings(context.Context, *contract.GetSettingsRequest) (*contract.GetSettingsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &contract.GetSettingsResponse{Toml: string(f.settings.Encode())}, nil
}

func (f *fakeStore) SetCondition(context.Context, *contract.SetConditionRequest) (*contract.SetConditionResponse, error) {
	return &contract.SetConditionResponse{}, nil
}

func (f *fakeStore) Watch(ctx context.Context, _ *contract.WatchRequest, stream contract.Common_WatchServer) error {
	look := make(chan struct{}, 1)
	look <- struct{}{}
	f.mu.Lock()
	f.watchers = append(f.watchers, look)
	f.mu.Unlock()
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

// rename gives the box another name and certificate, and says so.
func (f *fakeStore) rename(t testing.TB, name string) {
	t.Helper()
	pair := newPair(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	in := *f.settings
	in.Appliance.Name = name
	f.settings, f.pair = &in, pair
	for _, w := range f.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (f *fakeStore) GetStatus(context.Context, *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem != nil {
		return nil, f.problem
	}
	return &contract.GetStatusResponse{
		Ready:    true,
		Version:  "1.2.3",
		Accounts: []*contract.AccountStatus{{Account: "me@pop3.example.org", State: "active", Waiting: 0}},
	}, nil
}

func (f *fakeStore) PauseAccount(_ context.Context, q *contract.AccountRequest) (*contract.AccountResponse, error) {
	f.asked.Store("PauseAccount", q.Name)
	if f.hold != nil {
		close(f.holds)
		<-f.hold
	}
	return &contract.AccountResponse{}, nil
}

func (f *fakeStore) ReadMessage(context.Context, *contract.ReadMessageRequest) (*contract.ReadMessageResponse, error) {
	return &contract.ReadMessageResponse{Octets: f.octets}, nil
}

func (f *fakeStore) ApplySettings(_ context.Context, q *contract.ApplySettingsRequest) (*contract.ApplySettingsResponse, error) {
	f.asked.Store("ApplySettings", len(q.Text))
	return &contract.ApplySettingsResponse{Problem: "line 7: wrong"}, nil
}

// box is a console that serves on loopback, before a fake store.
type box struct {
	*fakeStore
	addr string
	keys string // file
	log  *lockedBuffer
	stop func() error // as SIGTERM does
}

func start(t *testing.T, f *fakeStore) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "console") // a Unix socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f.settings = settings.Default()
	f.pair = newPair(t)
	f.served = make(chan struct{}, 100) // more than any test asks for
	socket := filepath.Join(dir, "console.sock")
	serveStore(t, f, socket)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &box{fakeStore: f, addr: l.Addr().String(), keys: filepath.Join(dir, "client-keys.pem"), log: new(lockedBuffer)}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, config{store: socket, keys: b.keys}, []net.Listener{l}, log) }()
	b.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return b
}

func serveStore(t *testing.T, f *fakeStore, socket string) {
	t.Helper()
	server, err := contract.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	contract.RegisterAdminService(server, f)
	contract.RegisterConsoleService(server, f)
	contract.RegisterCommonService(server, f)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(context.Background(), l)
	t.Cleanup(func() { server.Close() })
}

// allow puts keys into the file of client keys.
func (b *box) allow(t testing.TB, keys ...crypto.Signer) {
	t.Helper()
	var text []byte
	for _, key := range keys {
		one, err := api.PublicPEM(key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, "# a key\n"...), one...)
	}
	if err := os.WriteFile(b.keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// dial gives a client that takes any box.
func (b *box) dial(t testing.TB, key crypto.Signer) *api.Client {
	t.Helper()
	c, err := api.Dial(b.addr, key, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newPair gives a server's certificate and key, PEM.
func newPair(t testing.TB) [2][]byte {
	t.Helper()
	key := newKey(t)
	certificate, err := api.SelfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return [2][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
