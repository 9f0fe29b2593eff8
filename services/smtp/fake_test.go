package smtp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"

	"google.golang.org/protobuf/proto"
)

const (
	testName     = "login@pop3.example.org"
	testPassword = "open sesame"
)

var testAccount = []byte("account-00000001")

// fakeStore takes mails and keeps them. Its hooks, where set, stand in for what a real store can't be made to do at will.
type fakeStore struct {
	contract.SmtpService // nil: what isn't defined here must not be called

	mu       sync.Mutex
	settings *settings.Settings
	pair     [2][]byte // certificate and key, PEM
	users    []string  // addresses that are somebody's here
	own      []string  // addresses that are the client's own
	accounts []string  // addresses that are an account's, at pop3.example.org, whose owner the client isn't
	login    func(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error)
	submit   func(context.Context, *contract.SubmitMail) error
	upload   func(context.Context) error
	uploads  map[uint64][]byte
	aborted  int
	taken    []*contract.SubmitMail // with their bodies, each key once
	watchers []chan struct{}
}

func newFakeStore(t testing.TB) *fakeStore {
	t.Helper()
	return &fakeStore{settings: testSettings(), pair: newPair(t, "first"), uploads: make(map[uint64][]byte), users: []string{"user@pop3proxy.reddoxx"}}
}

// testSettings trust loopback.
func testSettings() *settings.Settings {
	in := settings.Default()
	in.TrustedNetworks = []settings.TrustedNetwork{{Name: "loopback", CIDR: netip.MustParsePrefix("127.0.0.0/8")}}
	return in
}

func (f *fakeStore) Login(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
	if f.login != nil {
		return f.login(ctx, q)
	}
	if q.Name != testName || q.Password != testPassword {
		return &contract.LoginResponse{Outcome: contract.LoginResponse_REFUSED, Text: "wrong name or password"}, nil
	}
	return &contract.LoginResponse{Outcome: contract.LoginResponse_ACCEPTED, Account: testAccount}, nil
}

func (f *fakeStore) GetCertificate(context.Context, *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	return &contract.GetCertificateResponse{CertificatePem: f.pair[0], KeyPem: f.pair[1]}, nil
}

func (f *fakeStore) LookUpSender(_ context.Context, q *contract.LookUpSenderRequest) (*contract.LookUpSenderResponse, error) {
	answer := &contract.LookUpSenderResponse{Own: slices.Contains(f.own, q.Address)}
	if slices.Contains(f.accounts, q.Address) {
		answer.Account, answer.Host = testAccount, "pop3.example.org"
		answer.Owner = string(q.Account) == string(testAccount)
	}
	return answer, nil
}

func (f *fakeStore) LookUpRecipient(_ context.Context, q *contract.LookUpRecipientRequest) (*contract.LookUpRecipientResponse, error) {
	answer := &contract.LookUpRecipientResponse{}
	if slices.Contains(f.users, strings.ToLower(q.Address)) {
		answer.User = "user"
	}
	return answer, nil
}

func (f *fakeStore) Submit(ctx context.Context, m *contract.SubmitMail) (uint64, error) {
	if f.submit != nil {
		if err := f.submit(ctx, m); err != nil {
			return 0, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for n, have := range f.taken {
		if string(have.Key) == string(m.Key) {
			return uint64(n + 1), nil
		}
	}
	m = proto.CloneOf(m)
	if m.Upload != 0 {
		m.Body = f.uploads[m.Upload]
		delete(f.uploads, m.Upload)
	}
	f.taken = append(f.taken, m)
	return uint64(len(f.taken)), nil
}

func (f *fakeStore) SubmitAll(ctx context.Context, q *contract.SubmitAllRequest) (*contract.SubmitAllResponse, error) {
	answer := &contract.SubmitAllResponse{}
	for _, m := range q.Mails {
		id, err := f.Submit(ctx, m)
		answer.Answers = append(answer.Answers, contract.AnswerSubmit(id, err))
	}
	return answer, nil
}

func (f *fakeStore) BeginUpload(ctx context.Context, _ *contract.BeginUploadRequest) (*contract.BeginUploadResponse, error) {
	if f.upload != nil {
		if err := f.upload(ctx); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := uint64(len(f.uploads) + len(f.taken) + f.aborted + 1)
	f.uploads[id] = nil
	return &contract.BeginUploadResponse{Upload: id}, nil
}

func (f *fakeStore) AppendUpload(_ context.Context, q *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have, ok := f.uploads[q.Upload]
	if !ok || uint64(len(have)) != q.Offset || len(q.Chunk) > contract.MaxPut {
		return nil, contract.ErrInvalid
	}
	f.uploads[q.Upload] = append(have, q.Chunk...)
	return &contract.AppendUploadResponse{}, nil
}

func (f *fakeStore) AbortUpload(_ context.Context, q *contract.AbortUploadRequest) (*contract.AbortUploadResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.uploads, q.Upload)
	f.aborted++
	return &contract.AbortUploadResponse{}, nil
}

// mails gives what was taken.
func (f *fakeStore) mails() []*contract.SubmitMail {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.taken)
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
	path = filepath.Join(t.TempDir(), "smtp.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := contract.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	contract.RegisterCommonService(server, f)
	contract.RegisterSmtpService(server, f)
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
	client := contract.NewClient(f.listen(t), contract.NewSmtpClient)
	b := &box{fakeStore: f, stopped: make(chan struct{}), applied: make(chan struct{}, 10), log: new(logBuffer)}
	b.server = newServer(newRemoteStore(client), b.log.logger())
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
		if text := b.log.String(); strings.Contains(text, testPassword) || strings.Contains(text, "panic") {
			t.Errorf("the log has a password or a panic in it:\n%s", text)
		}
		if n := len(b.server.large); n > 0 {
			t.Errorf("%d places for large mails are still taken", n)
		}
	})
	return b
}

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

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
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

// piped is the service over a pipe, its store in memory: time passes when all wait.
type piped struct {
	*fakeStore
	*client
	server *server
	ended  chan struct{}      // closed when the connection has ended
	stop   context.CancelFunc // SIGTERM
}

// newTestServer gives one with its store in memory.
func newTestServer(f *fakeStore) *server {
	server := newServer(f, new(logBuffer).logger())
	server.apply(context.Background(), f.settings)
	return server
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
	p.want("220 ")
	return p
}

// end leaves nothing running in the bubble.
func (p *piped) end() {
	p.nc.Close()
	<-p.ended
	p.server.work.Wait()
	p.stop()
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
	inside  = "127.0.0.1:40000"   // in a trusted network
	outside = "203.0.113.7:40000" // not, and outside the enrolment networks, too
)

// Deliver is the runner's life line. There is never anything to deliver: what came is kept for the test.
func (f *fakeStore) Deliver(ctx context.Context, _ *contract.DeliverRequest, _ contract.Smtp_DeliverServer) error {
	<-ctx.Done()
	return ctx.Err()
}

func (f *fakeStore) ListTransport(context.Context, *contract.ListTransportRequest) (*contract.ListTransportResponse, error) {
	return &contract.ListTransportResponse{Cursor: []byte("none")}, nil
}
