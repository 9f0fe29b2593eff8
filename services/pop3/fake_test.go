package pop3

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"hash/crc32"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
)

const (
	testName     = "login@pop3.example.org"
	testPassword = "open sesame"
	testPrefix   = "X-Postroom-Verdict: deliver\r\n"
)

var testAccount = []byte("account-00000001")

// fakeStore keeps one account's Out Queue. Its hooks, where set, stand in for what a real store can't be
// made to do at will.
type fakeStore struct {
	dir string // of segments

	mu       sync.Mutex
	queue    []*contract.MailboxMessage
	offset   uint64 // of the next body in segment 1
	settings *settings.Settings
	pair     [2][]byte // certificate and key, PEM
	login    func(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error)
	end      func(context.Context, *contract.EndPollRequest) error
	fresh    func(context.Context) error
	watchers []chan struct{}

	marks   chan []uint64                      // what each said is retrieved, and stays
	polls   chan []uint64                      // what each poll that ended let leave
	damages chan *contract.ReportDamageRequest // what was reported
}

func newFakeStore(t testing.TB) *fakeStore {
	t.Helper()
	in := settings.Default()
	in.POP3.PlaintextLogin = settings.PlaintextAlways
	return &fakeStore{
		dir:      t.TempDir(),
		settings: in,
		pair:     newPair(t, "first"),
		marks:    make(chan []uint64, 100),
		polls:    make(chan []uint64, 100),
		damages:  make(chan *contract.ReportDamageRequest, 100),
	}
}

// add puts a mail into the Out Queue, its body into segment 1.
func (f *fakeStore) add(t testing.TB, prefix, body string) *contract.MailboxMessage {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(f.segment(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	const between = "header"
	if _, err := file.WriteString(between + body); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	id := uint64(len(f.queue) + 1)
	m := &contract.MailboxMessage{
		Id:     id,
		Uidl:   "u" + strings.Repeat("x", int(id%3)) + string(rune('a'+id%26)),
		Prefix: []byte(prefix),
		Body: &contract.Body{
			Segment: 1,
			Offset:  f.offset + uint64(len(between)),
			Length:  uint64(len(body)),
			Crc32C:  crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)),
			OpenEnd: !strings.HasSuffix(body, "\r\n"),
		},
	}
	f.offset += uint64(len(between) + len(body))
	f.queue = append(f.queue, m)
	return m
}

func (f *fakeStore) segment() string { return filepath.Join(f.dir, "00000001.seg") }

// change swaps the settings, tells the service, and waits until it has them.
func (b *box) change(edit func(*settings.Settings)) {
	b.mu.Lock()
	in := *b.settings
	edit(&in)
	b.settings = &in
	for _, w := range b.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
	b.mu.Unlock()
	<-b.applied
}

func (f *fakeStore) Login(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
	f.mu.Lock()
	login := f.login
	f.mu.Unlock()
	if login != nil {
		return login(ctx, q)
	}
	if q.Name != testName || q.Password != testPassword {
		return &contract.LoginResponse{Outcome: contract.LoginResponse_REFUSED, Text: "wrong name or password"}, nil
	}
	return &contract.LoginResponse{Outcome: contract.LoginResponse_ACCEPTED, Account: testAccount}, nil
}

func (f *fakeStore) AwaitFetch(ctx context.Context, _ *contract.AwaitFetchRequest) (*contract.AwaitFetchResponse, error) {
	return &contract.AwaitFetchResponse{}, f.fresh(ctx)
}

// OpenMailbox gives pages of two.
func (f *fakeStore) OpenMailbox(_ context.Context, q *contract.OpenMailboxRequest) (*contract.OpenMailboxResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := &contract.OpenMailboxResponse{Retrieved: int64(f.settings.POP3.Retrieved)}
	for _, m := range f.queue {
		if m.Id <= q.After {
			continue
		}
		if len(answer.Messages) == 2 {
			answer.More = true
			break
		}
		answer.Messages = append(answer.Messages, m)
	}
	return answer, nil
}

func (f *fakeStore) EndPoll(ctx context.Context, q *contract.EndPollRequest) (*contract.EndPollResponse, error) {
	f.mu.Lock()
	end := f.end
	f.mu.Unlock()
	if end != nil {
		if err := end(ctx, q); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = slices.DeleteFunc(slices.Clone(f.queue), func(m *contract.MailboxMessage) bool {
		return slices.Contains(q.Leave, m.Id)
	})
	for _, m := range f.queue {
		m.Retrieved = m.Retrieved || slices.Contains(q.Retrieved, m.Id)
	}
	if len(q.Retrieved) > 0 {
		f.marks <- q.Retrieved
	}
	f.polls <- q.Leave
	return &contract.EndPollResponse{}, nil
}

func (f *fakeStore) ReportDamage(_ context.Context, q *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error) {
	f.damages <- q
	return &contract.ReportDamageResponse{}, nil
}

func (f *fakeStore) GetCertificate(context.Context, *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &contract.GetCertificateResponse{CertificatePem: f.pair[0], KeyPem: f.pair[1]}, nil
}

// Serve gives its word, and is there until the test ends.
func (f *fakeStore) Serve(ctx context.Context, q *contract.ServeRequest, out contract.Pop3_ServeServer) error {
	if err := out.Send(&contract.Look{}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (f *fakeStore) Watch(ctx context.Context, _ *contract.WatchRequest, out contract.Common_WatchServer) error {
	look := make(chan struct{}, 1)
	look <- struct{}{}
	f.mu.Lock()
	f.watchers = append(f.watchers, look)
	f.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look:
			if err := out.Send(&contract.Look{}); err != nil {
				return err
			}
		}
	}
}

func (f *fakeStore) GetSettings(context.Context, *contract.GetSettingsRequest) (*contract.GetSettingsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &contract.GetSettingsResponse{Toml: string(f.settings.Encode())}, nil
}

func (f *fakeStore) SetCondition(context.Context, *contract.SetConditionRequest) (*contract.SetConditionResponse, error) {
	return &contract.SetConditionResponse{}, nil
}

// listen offers the store on a Unix socket until the test ends.
func (f *fakeStore) listen(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pop3.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := contract.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	contract.RegisterCommonService(server, f)
	contract.RegisterPop3Service(server, f)
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(context.Background(), l) }()
	t.Cleanup(func() { server.Close(); <-served })
	return path
}

// newPair makes a certificate and its key, PEM.
func newPair(t testing.TB, name string) [2][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return [2][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// box is the service under test, with its store.
type box struct {
	*fakeStore
	server     *server
	plain, tls string        // addresses
	stop       func()        // SIGTERM
	stopped    chan struct{} // closed when serve has returned
	applied    chan struct{} // has one for each time that settings were applied
	log        *logBuffer
}

// start runs the service on loopback, its store behind a Unix socket.
func start(t testing.TB, f *fakeStore) *box {
	t.Helper()
	client := contract.NewClient(f.listen(t), contract.NewPop3Client)
	b := &box{fakeStore: f, stopped: make(chan struct{}), applied: make(chan struct{}, 10), log: new(logBuffer)}
	b.server = newTestServer(t, remoteStore{client}, f.dir, b.log)
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		contract.FollowSettings(ctx, client, func(in *settings.Settings) {
			b.server.apply(ctx, in)
			b.applied <- struct{}{}
		})
	}()
	<-b.applied
	plain, implicit := listenLoopback(t), listenLoopback(t)
	b.plain, b.tls = plain.Addr().String(), implicit.Addr().String()
	go func() {
		defer close(b.stopped)
		b.server.serve(ctx, []net.Listener{plain}, []net.Listener{implicit})
	}()
	t.Cleanup(func() {
		cancel()
		<-b.stopped
		client.Close()
		<-followed
		if text := b.log.String(); strings.Contains(text, testPassword) {
			t.Errorf("the log has a password in it:\n%s", text)
		}
	})
	return b
}

func newTestServer(t testing.TB, store store, dir string, out *logBuffer) *server {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return newServer(store, root, slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

func listenLoopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// logBuffer is what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var clientTLS = &tls.Config{InsecureSkipVerify: true} // the tests look at the certificate themselves
