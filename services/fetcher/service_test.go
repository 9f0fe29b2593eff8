package fetcher

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/internal/fakestore"
	"postroom/services/fetcher/internal/mailbox"
	"postroom/services/fetcher/provider"
	"postroom/services/mail"
	"postroom/services/settings"
	"postroom/services/wire"

	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	testHost = "pop.example.org"
	testName = "u@pop.example.org"
)

// output is a log that tests read while it's written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// running is a whole service against a fake store and a provider.
type running struct {
	store    *fakestore.Store
	server   *mailbox.Server
	account  []byte
	password string
	log      *output
	service  *service
	stop     context.CancelFunc
	done     chan struct{}
	ctx      context.Context
}

func (r *running) settings(address netip.AddrPort, change func(*settings.Settings)) string {
	s := settings.Default()
	p := settings.DefaultProvider(testHost)
	p.BuiltIn, p.TLS, p.Address, p.MinInterval = false, settings.TLSNone, address, 0
	s.Providers = []settings.Provider{p}
	s.Fetch.Schedule = 0
	if change != nil {
		change(s)
	}
	return string(s.Encode())
}

func start(t *testing.T, server *mailbox.Server, password string, change func(*settings.Settings)) *running {
	t.Helper()
	return startWith(t, fakestore.New(), server, password, change)
}

func startWith(t *testing.T, store *fakestore.Store, server *mailbox.Server, password string, change func(*settings.Settings)) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	r := &running{store: store, server: server, password: password, log: &output{}, done: make(chan struct{}), ctx: ctx}
	r.account = r.store.AddAccount(testName, "u", testHost, password)
	r.store.SetSettings(r.settings(server.Listen(t), change))
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.service = newService(r.store.Serve(t), provider.Dialer{}, log)
	running, stop := context.WithCancel(ctx)
	r.stop = stop
	ready := make(chan struct{})
	go func() {
		defer close(r.done)
		r.service.run(running, config{patience: 2 * time.Second, ready: func() { close(ready) }, alive: func() {}, leave: func() {}})
	}()
	t.Cleanup(func() {
		stop()
		<-r.done
		cancel()
		if len(password) > 1 && strings.Contains(r.log.String(), password) {
			t.Errorf("the password is in the log:\n%s", r.log)
		}
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	select {
	case <-ready:
	case <-ctx.Done():
		t.Fatal("not ready")
	}
	return r
}

// fetched waits for the n-th end of a fetch, counted from 1.
func (r *running) fetched(t *testing.T, n int) *contract.EndFetchRequest {
	t.Helper()
	if err := r.store.Await(r.ctx, contract.Topic_TOPIC_ACCOUNTS, func() bool { return len(r.store.Fetches()) >= n }); err != nil {
		t.Fatalf("fetch %d: %v", n, err)
	}
	return r.store.Fetches()[n-1]
}

func letter(n int) []byte {
	return fmt.Appendf(nil, "From: a@example.org\r\nSubject: mail %d\r\n\r\nbody\r\n", n)
}

func TestPollFetches(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{Pipelining: true}
	for n := range 2403 {
		server.Add(&mailbox.Mail{UIDL: fmt.Sprint(n), Body: letter(n)})
	}
	r := start(t, server, "p", nil)
	r.store.Poll(r.account)
	for n := 1; n <= 3; n++ { // 1000 a session
		end := r.fetched(t, n)
		if !end.Succeeded || end.ProviderText != "" || end.Refused {
			t.Errorf("fetch %d: %v", n, end)
		}
	}
	if server.Len() != 0 {
		t.Errorf("%d mails are left at the provider, want none", server.Len())
	}
	bodies := r.store.Bodies(r.account)
	if len(bodies) != 2403 || !bytes.Equal(bodies[700], letter(700)) {
		t.Errorf("%d bodies", len(bodies))
	}
	server.Add(&mailbox.Mail{UIDL: "new", Body: letter(5000)})
	r.store.Poll(r.account)
	if end := r.fetched(t, 4); !end.Succeeded || len(r.store.Bodies(r.account)) != 2404 || server.Len() != 0 {
		t.Errorf("second poll: %v", end)
	}
	if logins, atOnce := server.Sessions(); logins != 4 || atOnce != 1 {
		t.Errorf("%d sessions, %d at once; want 4, 1", logins, atOnce)
	}
	if got := strings.Count(r.log.String(), "msg=fetched"); got != 4 {
		t.Errorf("%d log lines of fetches, want 4", got)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	r := start(t, server, "marked-Password-7", nil)
	r.store.Poll(r.account)
	end := r.fetched(t, 1)
	want := `"pop.example.org" refused login name or password: "[AUTH] wrong password"`
	if end.Succeeded || !end.Refused || end.ProviderText != want || end.NextFetch != nil {
		t.Errorf("got %v, want a refusal, %s", end, want)
	}
	r.store.Poll(r.account) // the store says that it's refused: no further try
	r.store.Change(r.account, func(a *contract.FetchAccount) { a.Refused = false })
	if end := r.fetched(t, 2); !end.Refused {
		t.Errorf("got %v", end)
	}
	if words := server.Commands(); slices.Contains(words, "LIST") || len(words) != 8 {
		t.Errorf("the provider got %v", words)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		server  *mailbox.Server
		prepare func(*running)
		change  func(*settings.Settings)
		want    string
		lasting bool
		next    time.Duration // give or take the jitter
	}{
		{name: "in use", server: &mailbox.Server{PassReply: "-ERR [IN-USE] another session"}, next: 30 * time.Second, want: `"pop.example.org" refused the login: "[IN-USE] another session"`},
		{name: "bare refusal", server: &mailbox.Server{PassReply: "-ERR hm"}, want: `"pop.example.org" refused the login: "hm"`, lasting: true, next: 15 * time.Minute},
		{name: "POP3 is off", server: &mailbox.Server{PassReply: "-ERR [SYS/PERM] POP access is disabled for your domain."}, lasting: true, next: 15 * time.Minute,
			want: `POP3 is switched off at "pop.example.org": "[SYS/PERM] POP access is disabled for your domain."; turn it on in the account's settings there`},
		{name: "too often", server: &mailbox.Server{PassReply: "-ERR login allowed only every 40 minutes"}, next: 40 * time.Minute,
			want: `"pop.example.org" refuses logins that come so soon after each other: "login allowed only every 40 minutes"`},
		{name: "too often, as announced", server: &mailbox.Server{Capa: []string{"LOGIN-DELAY 1800"}, PassReply: "-ERR [LOGIN-DELAY] no"}, next: 30 * time.Minute,
			want: `"pop.example.org" refuses logins that come so soon after each other: "[LOGIN-DELAY] no"`},
		{name: "for the moment", server: &mailbox.Server{PassReply: "-ERR [SYS/TEMP] no"}, next: 30 * time.Second, want: `"pop.example.org" refused the login: "[SYS/TEMP] no"`},
		{name: "unreachable", server: &mailbox.Server{}, lasting: true, next: 30 * time.Second, want: `no connection to "pop.example.org": 127.0.0.1:1: connection refused`,
			change: func(s *settings.Settings) { s.Providers[0].Address = netip.MustParseAddrPort("127.0.0.1:1") }},
		{name: "private", server: &mailbox.Server{}, lasting: true, next: time.Minute, want: `"127.0.0.9" has the address 127.0.0.9, which is not a public one: only a provider block with "address" leads there`,
			prepare: func(r *running) {
				r.account = r.store.AddAccount("u@127.0.0.9", "u", "127.0.0.9", "p")
			}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, c.server, "p-secret", c.change)
			if c.prepare != nil {
				c.prepare(r)
			}
			r.store.Poll(r.account)
			end := r.fetched(t, 1)
			if end.Succeeded || end.Refused || end.ProviderText != c.want || end.Lasting != c.lasting || end.NextFetch == nil {
				t.Errorf("got %v\nwant %s, lasting %t, and a next try", end, c.want, c.lasting)
			}
			if next := time.Until(end.NextFetch.AsTime()); next < c.next*85/100 || next > c.next*115/100 {
				t.Errorf("next try in %v, want %v", next, c.next)
			}
		})
	}
}

// TestRefusedForAPassword: what a provider wants instead of this password is told, and nothing is tried until it's there.
func TestRefusedForAPassword(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		"-ERR [AUTH] Application-specific password required": `"pop.example.org" wants a password of its own for mail programs: "[AUTH] Application-specific password required"; make one in the account's security settings there, and log in with it`,
		"-ERR [AUTH] Web login required":                     `"pop.example.org" wants its user to log in with a web browser first: "[AUTH] Web login required"; do so, and confirm what it asks`,
		"-ERR Basic authentication is disabled":              `"pop.example.org" takes no passwords from mail programs any more: "Basic authentication is disabled"; mail can't be fetched from there`,
	} {
		r := start(t, &mailbox.Server{PassReply: reply}, "p-secret", nil)
		r.store.Poll(r.account)
		if end := r.fetched(t, 1); !end.Refused || end.ProviderText != want || end.NextFetch != nil {
			t.Errorf("%s: got %v\nwant %s, and no next try", reply, end, want)
		}
	}
}

// TestLoginDelay: the time that a provider wants between two logins stands above the schedule.
func TestLoginDelay(t *testing.T) {
	t.Parallel()
	r := start(t, &mailbox.Server{Capa: []string{"LOGIN-DELAY 3600"}}, "p", func(s *settings.Settings) { s.Fetch.Schedule = 5 * time.Minute })
	r.store.Poll(r.account)
	end := r.fetched(t, 1)
	if next := time.Until(end.NextFetch.AsTime()); !end.Succeeded || next < 59*time.Minute || next > 61*time.Minute {
		t.Errorf("got %v, next in %v; want an hour", end, next)
	}
}

// TestFullBeforeItBegins: while the store has no room, no provider is bothered.
func TestFullBeforeItBegins(t *testing.T) {
	t.Parallel()
	server, store := &mailbox.Server{}, fakestore.New()
	asked := make(chan struct{}, 1)
	store.BeginFault = func() error {
		select {
		case asked <- struct{}{}:
		default:
		}
		return fmt.Errorf("no room: %w", contract.ErrFull)
	}
	r := startWith(t, store, server, "p", nil)
	r.store.Poll(r.account)
	select {
	case <-asked:
	case <-r.ctx.Done():
		t.Fatal("no fetch was tried")
	}
	r.stop()
	<-r.done
	if words := server.Commands(); len(words) != 0 || len(r.store.Fetches()) != 0 {
		t.Errorf("the provider got %v, the store %v", words, r.store.Fetches())
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	server.Add(&mailbox.Mail{UIDL: "1", Body: letter(1)})
	r := start(t, server, "p", nil)
	r.store.SetPutFault(func(*contract.PutRequest) error { return fmt.Errorf("intake stopped: %w", contract.ErrFull) })
	r.store.Poll(r.account)
	end := r.fetched(t, 1)
	if want := "the disk is full: no mail is fetched until there is room"; end.Succeeded || end.ProviderText != want {
		t.Errorf("got %v, want %s", end, want)
	}
	if server.Len() != 1 || !slices.Contains(server.Commands(), "QUIT") {
		t.Errorf("left %d, commands %v", server.Len(), server.Commands())
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	server.Add(&mailbox.Mail{UIDL: "1", Body: append(letter(1), strings.Repeat("x\r\n", 30_000)...)})
	r := start(t, server, "p", func(s *settings.Settings) { s.Fetch.MaxSize = 64 << 10 })
	end := func(n int) string {
		r.store.Poll(r.account)
		return r.fetched(t, n).ProviderText
	}
	want := "mails over the limit of 64KiB (fetch.max_size) stay at the provider: 1"
	if got, condition := end(1), r.store.Condition(contract.ConditionTooLarge, testName); got != want || condition != want {
		t.Errorf("got %q, condition %q, want %q", got, condition, want)
	}
	server.Clear()
	if got, condition := end(2), r.store.Condition(contract.ConditionTooLarge, testName); got != "" || condition != "" {
		t.Errorf("got %q, condition %q; want none", got, condition)
	}
}

// TestForgets: nothing is kept of an account that is gone; the next one of that name is another one, and the store has no
// conditions of it.
func TestForgets(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	server.Add(&mailbox.Mail{UIDL: "1", Body: append(letter(1), strings.Repeat("x\r\n", 30_000)...)})
	r := start(t, server, "p", func(s *settings.Settings) { s.Fetch.MaxSize = 64 << 10 })
	r.store.Poll(r.account)
	r.fetched(t, 1)
	r.service.lines.judge(string(r.account), true, true, time.Now())
	r.service.refusals.judge(string(r.account), &provider.Refusal{Command: "PASS", Text: "no"}, time.Now())

	r.store.Change(r.account, func(a *contract.FetchAccount) { a.Removed = true })
	r.store.SetCondition(r.ctx, &contract.SetConditionRequest{
		Condition: &contract.Condition{Name: contract.ConditionTooLarge, Subject: testName}, Clear: true,
	})
	r.service.accounts.refresh(r.ctx)
	if l, c, f := len(r.service.lines.bad), len(r.service.conditions.last), len(r.service.refusals.first); l+c+f > 0 {
		t.Errorf("kept: %d lines, %d conditions, %d refusals", l, c, f)
	}
	r.store.AddAccount(testName, "u", testHost, "p")
	r.store.Poll(r.account)
	r.fetched(t, 2)
	if r.store.Condition(contract.ConditionTooLarge, testName) == "" {
		t.Error("no condition for the account that came back")
	}
}

// TestSettingsHoldFromTheNextSession: no restart is needed for a larger limit.
func TestSettingsHoldFromTheNextSession(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	server.Add(&mailbox.Mail{UIDL: "1", Body: append(letter(1), strings.Repeat("x\r\n", 30_000)...)})
	limit := func(s *settings.Settings) { s.Fetch.MaxSize = 64 << 10 }
	r := start(t, server, "p", limit)
	r.store.Poll(r.account)
	if end := r.fetched(t, 1); !end.Succeeded || server.Len() != 1 {
		t.Errorf("got %v, left %d", end, server.Len())
	}
	before := r.service.settings.Load()
	larger := *before
	larger.Fetch.MaxSize = 1 << 20
	r.store.SetSettings(string(larger.Encode()))
	for r.service.settings.Load() == before { // following is a goroutine of its own
		if r.ctx.Err() != nil {
			t.Fatal("the settings don't come")
		}
		runtime.Gosched()
	}
	r.store.Poll(r.account)
	if end := r.fetched(t, 2); !end.Succeeded || server.Len() != 0 {
		t.Errorf("got %v, left %d", end, server.Len())
	}
}

// TestStop ends a session under way with QUIT, and keeps what it has.
func TestStop(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	for n := range 50 {
		server.Add(&mailbox.Mail{UIDL: fmt.Sprint(n), Body: letter(n)})
	}
	stop := make(chan context.CancelFunc, 1)
	given := 0
	server.Give = func(m *mailbox.Mail, _ []*mailbox.Mail) []byte {
		if given++; given == 10 {
			(<-stop)()
		}
		return m.Body
	}
	r := start(t, server, "p", nil)
	stop <- r.stop
	r.store.Poll(r.account)
	<-r.done
	stored := len(r.store.Bodies(r.account))
	if stored < 10 || stored == 50 || server.Len() != 50-stored {
		t.Errorf("stored %d, left %d", stored, server.Len())
	}
	if words := server.Commands(); words[len(words)-1] != "QUIT" {
		t.Errorf("the last command is %s, want QUIT", words[len(words)-1])
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		reply    string // to PASS
		login    string
		password string
		host     string
		port     uint32
		want     contract.Verified
		text     string
	}{
		{name: "good", password: "p", want: contract.Verified_VERIFIED_ACCEPTED},
		{name: "wrong", password: "x-wrong-x", want: contract.Verified_VERIFIED_REFUSED, text: `"pop.example.org" refused login name or password: "[AUTH] wrong password"`},
		{name: "bare", reply: "-ERR hm", want: contract.Verified_VERIFIED_REFUSED, text: `"pop.example.org" refused the login: "hm"`},
		{name: "in use", reply: "-ERR [IN-USE] busy", want: contract.Verified_VERIFIED_UNKNOWN, text: `"pop.example.org" refused the login: "[IN-USE] busy"`},
		{name: "later", reply: "-ERR try again later", want: contract.Verified_VERIFIED_UNKNOWN, text: `"pop.example.org" refused the login: "try again later"`},
		{name: "private", host: "192.168.7.7", want: contract.Verified_VERIFIED_NOT_ALLOWED,
			text: `"192.168.7.7" has the address 192.168.7.7, which is not a public one: only a provider block with "address" leads there`},
		{name: "port", port: 25, want: contract.Verified_VERIFIED_NOT_ALLOWED, text: `port 25 is not allowed for "pop.example.org": leave the port out`},
		{name: "line break in the password", password: "a\r\nDELE 1", want: contract.Verified_VERIFIED_UNKNOWN,
			text: `the session with "pop.example.org" broke off: send PASS: line break inside a line to be sent`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &mailbox.Server{PassReply: c.reply}, "p-not-used", nil)
			if c.host == "" {
				c.host = testHost
			}
			if c.password == "" {
				c.password = "another-secret"
			}
			answer := r.store.Verify(r.ctx, "u", c.host, c.port, c.password)
			if answer == nil || answer.Verified != c.want || answer.Text != c.text {
				t.Errorf("got %v\nwant %v %s", answer, c.want, c.text)
			}
			if len(c.password) > 1 && strings.Contains(r.log.String(), c.password) {
				t.Error("the password is in the log")
			}
		})
	}
}

// TestVerifyUnreachable says so.
func TestVerifyUnreachable(t *testing.T) {
	t.Parallel()
	r := start(t, &mailbox.Server{}, "p-not-used", func(s *settings.Settings) {
		s.Providers[0].Address = netip.MustParseAddrPort("127.0.0.1:1")
		s.Enrol.Providers = settings.ProvidersListed
	})
	answer := r.store.Verify(r.ctx, "u", testHost, 0, "p")
	if want := `no connection to "pop.example.org": 127.0.0.1:1: connection refused`; answer.GetVerified() != contract.Verified_VERIFIED_UNKNOWN || answer.GetText() != want {
		t.Errorf("got %v, want %s", answer, want)
	}
	answer = r.store.Verify(r.ctx, "u", "pop.example.net", 0, "p")
	if want := `"pop.example.net" is not among the providers that are allowed here`; answer.GetVerified() != contract.Verified_VERIFIED_NOT_ALLOWED || answer.GetText() != want {
		t.Errorf("got %v, want %s", answer, want)
	}
}

// TestOneSessionAnAccount lets a verification wait for the fetch of the same account.
func TestOneSessionAnAccount(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	server.Add(&mailbox.Mail{UIDL: "1", Body: letter(1)})
	inRetr, release := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(release) })
	defer goOn()
	server.Give = func(m *mailbox.Mail, _ []*mailbox.Mail) []byte {
		close(inRetr)
		<-release
		return m.Body
	}
	r := start(t, server, "p", nil)
	r.store.Poll(r.account)
	<-inRetr
	answered := make(chan *contract.AnswerVerificationRequest)
	go func() { answered <- r.store.Verify(r.ctx, "u", testHost, 995, "p") }()
	select {
	case a := <-answered:
		t.Fatalf("answered while the fetch is under way: %v", a)
	case <-time.After(50 * time.Millisecond):
	}
	goOn()
	if a := <-answered; a.GetVerified() != contract.Verified_VERIFIED_ACCEPTED {
		t.Errorf("got %v", a)
	}
	if logins, atOnce := server.Sessions(); logins != 2 || atOnce != 1 {
		t.Errorf("%d sessions, %d at once; want 2, 1", logins, atOnce)
	}
}

// TestBusyVerification gives up where a fetch doesn't end.
func TestBusyVerification(t *testing.T) {
	t.Parallel()
	s := newService(nil, provider.Dialer{}, slog.New(slog.DiscardHandler))
	name := mail.Name{Login: "u", Host: testHost}
	unlock, err := s.locks.lock(t.Context(), name.Key())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errBusy)
	defer cancel()
	verified, text := verdict(testHost, s.tryLogin(ctx, name, true, wire.NewSecret("p")))
	if want := "mail is being fetched for this account just now: try again in a minute"; verified != contract.Verified_VERIFIED_UNKNOWN || text != want {
		t.Errorf("got %v %q, want %q", verified, text, want)
	}
}

// TestSchedule fetches without a poll, for an account that was polled lately.
func TestSchedule(t *testing.T) {
	t.Parallel()
	server := &mailbox.Server{}
	server.Add(&mailbox.Mail{UIDL: "1", Body: letter(1)})
	r := start(t, server, "p", func(s *settings.Settings) { s.Fetch.Schedule = 10 * time.Second })
	r.store.Change(r.account, func(a *contract.FetchAccount) { // late by up to 3 s, so due within as many
		a.LastPoll, a.LastFetch = timestamppb.Now(), timestamppb.New(time.Now().Add(-12*time.Second))
	})
	end := r.fetched(t, 1)
	if next := time.Until(end.NextFetch.AsTime()); len(r.store.Bodies(r.account)) != 1 || next < 5*time.Second || next > 12*time.Second {
		t.Errorf("got %v, next in %v", end, next)
	}
}

func TestRefusalsApart(t *testing.T) {
	t.Parallel()
	bare := &provider.Refusal{Command: "PASS", Text: "no"}
	now := time.Now()
	type step struct {
		after time.Duration
		err   error
		want  bool
	}
	for name, steps := range map[string][]step{
		"two, apart":        {{0, bare, false}, {14 * time.Minute, bare, false}, {15 * time.Minute, bare, true}, {16 * time.Minute, bare, false}},
		"a success between": {{0, bare, false}, {10 * time.Minute, nil, false}, {20 * time.Minute, bare, false}, {35 * time.Minute, bare, true}},
		"in use between":    {{0, bare, false}, {10 * time.Minute, &provider.Refusal{Command: "PASS", Code: "IN-USE"}, false}, {20 * time.Minute, bare, true}},
		"definite":          {{0, &provider.Refusal{Command: "PASS", Code: "AUTH"}, true}},
	} {
		var r refusals
		for i, s := range steps {
			if got := r.judge("a", s.err, now.Add(s.after)); got != s.want {
				t.Errorf("%s, step %d: got %t", name, i, got)
			}
		}
		if r.judge("b", bare, now.Add(time.Hour)) {
			t.Errorf("%s: another account's refusals count", name)
		}
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	var l locks
	var both sync.WaitGroup
	inside := 0
	for range 50 {
		both.Go(func() {
			unlock, err := l.lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			inside++ // the race detector's to judge
			unlock()
		})
	}
	both.Wait()
	if inside != 50 || len(l.held) != 0 {
		t.Errorf("inside %d, names kept %d; want 50, 0", inside, len(l.held))
	}
}

func TestMainUsage(t *testing.T) {
	t.Parallel()
	if got := Main([]string{"fetcher"}); got != 2 {
		t.Errorf("without --store: %d, want 2", got)
	}
	if got := Main([]string{"fetcher", "--no-such-flag"}); got != 2 {
		t.Errorf("unknown flag: %d, want 2", got)
	}
}
