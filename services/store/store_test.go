package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/disk"
	"postroom/services/store/disk/disktest"
)

// box is a store for a test, with a provider that accepts one password.
type box struct {
	*Store
	t      testing.TB
	cfg    Config
	faulty *disktest.Faulty

	orphans int // bodies of commits that were refused behind their sync: no row names them, and they may stand there
}

const (
	inside  = "192.168.1.7"
	outside = "203.0.113.9"
	secret  = "s3cret-Passw0rd"
)

func newBox(t *testing.T) *box {
	t.Helper()
	return newTestBox(t)
}

func newTestBox(t testing.TB) *box {
	t.Helper()
	dir := t.TempDir()
	faulty := &disktest.Faulty{FS: disk.OS{}}
	b := &box{t: t, faulty: faulty, cfg: Config{
		Dir: filepath.Join(dir, "store"), KeyFile: filepath.Join(dir, "key", "machine.key"), CreateKey: true,
		Boot: "one", Hosted: true, Version: "test", Log: slog.New(slog.DiscardHandler), FS: faulty,
	}}
	b.open()
	t.Cleanup(func() {
		b.mustBeSound()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *box) open() {
	b.t.Helper()
	s, err := Open(context.Background(), b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	s.clock.report(true)
	b.Store = s
}

// reopen opens the store again, after a clean stop, in another boot.
func (b *box) reopen(boot string) {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.cfg.Boot = boot
	b.open()
}

// mustBeSound is the consistency check that ends every test: rows against records, totals against rows.
func (b *box) mustBeSound() {
	b.t.Helper()
	if problems := append(b.problems(), b.misplaced()...); len(problems) > 0 {
		b.t.Errorf("store check: %s", strings.Join(problems, "\n"))
	}
}

func (b *box) problems() (problems []string) {
	b.t.Helper()
	q := &contract.CheckRequest{}
	for {
		answer, err := admin{b.Store}.Check(b.t.Context(), q)
		if err != nil {
			answer, err = admin{b.Store}.Check(context.Background(), q)
		}
		if err != nil {
			b.t.Fatal(err)
		}
		problems = append(problems, answer.Problems...)
		if q.Cursor = answer.Cursor; len(q.Cursor) == 0 {
			return problems
		}
	}
}

// provider answers verifications by whether the password is the one that it knows, and counts them.
func (b *box) provider(password func() string) (asked func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	look, stop := b.look.watch(contract.Topic_TOPIC_VERIFICATIONS)
	done := make(chan struct{})
	b.t.Cleanup(func() { cancel(); <-done; stop() })
	n := make(chan int, 1)
	n <- 0
	f := fetcher{b.Store}
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-look:
			}
			for {
				v, err := f.TakeVerification(ctx, nil)
				if err != nil || v.None {
					break
				}
				n <- <-n + 1
				answer := &contract.AnswerVerificationRequest{Id: v.Id, Verified: contract.Verified_VERIFIED_REFUSED, Text: "wrong password, says the provider"}
				switch want := password(); {
				case want == "":
					answer.Verified, answer.Text = contract.Verified_VERIFIED_UNKNOWN, "the provider is away"
				case want == v.Password:
					answer.Verified, answer.Text = contract.Verified_VERIFIED_ACCEPTED, ""
				}
				if _, err := f.AnswerVerification(ctx, answer); err != nil {
					b.t.Error(err)
				}
			}
		}
	}()
	return func() int { k := <-n; n <- k; return k }
}

func accepts(password string) func() string { return func() string { return password } }

func (b *box) login(name, password, address string) *contract.LoginResponse {
	b.t.Helper()
	answer, err := pop3{b.Store}.Login(b.t.Context(), &contract.LoginRequest{Name: name, Password: password, Address: address})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// enrolled gives an account that is known.
func (b *box) enrolled(name string) []byte {
	b.t.Helper()
	b.provider(accepts(secret))
	answer := b.login(name, secret, inside)
	if answer.Outcome != contract.LoginResponse_ACCEPTED {
		b.t.Fatalf("login: got %v", answer)
	}
	return answer.Account
}

func mailOf(i int) *contract.PutMail {
	m := &contract.PutMail{
		Key: make([]byte, 16), Uidl: fmt.Appendf(nil, "uidl-%d", i), Size: 100, HeaderDigest: make([]byte, 32),
		Body: fmt.Appendf(nil, "Subject: mail %d\r\n\r\nHello %d\r\n", i, i),
	}
	rand.Read(m.Key)
	return m
}

func (b *box) put(account []byte, mails ...*contract.PutMail) []*contract.PutResult {
	b.t.Helper()
	answer, err := putOne(b.t.Context(), fetcher{b.Store}, &contract.PutRequest{Account: account, Mails: mails})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.Results
}

const deliver = "X-Postroom-Verdict: deliver\r\n"

// validate settles all that is in the In Queue.
func (b *box) validate() {
	b.t.Helper()
	v := validator{b.Store}
	die := b.work(1)
	defer die()
	for {
		m, err := v.Take(b.t.Context(), &contract.TakeRequest{Worker: 1})
		if err != nil {
			b.t.Fatal(err)
		}
		if m.None {
			return
		}
		_, err = v.Settle(b.t.Context(), &contract.SettleRequest{Worker: 1, Id: m.Id, Verdict: contract.VerdictDeliver, Prefix: []byte(deliver)})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *box) mailbox(account []byte) []*contract.MailboxMessage {
	b.t.Helper()
	var list []*contract.MailboxMessage
	q := &contract.OpenMailboxRequest{Account: account}
	for {
		answer, err := pop3{b.Store}.OpenMailbox(b.t.Context(), q)
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, answer.Messages...)
		if !answer.More {
			return list
		}
		q.After = list[len(list)-1].Id
	}
}

func (b *box) octets(body *contract.Body) []byte {
	b.t.Helper()
	f, err := b.db.Open(body.Segment)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	octets := make([]byte, body.Length)
	if _, err := f.ReadAt(octets, int64(body.Offset)); err != nil {
		b.t.Fatal(err)
	}
	return octets
}

func (b *box) status() *contract.GetStatusResponse {
	b.t.Helper()
	answer, err := contract.WholeStatus(func(q *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
		return admin{b.Store}.GetStatus(b.t.Context(), q)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// queue gives the number of messages in a queue.
func (b *box) queue(name string) uint64 {
	b.t.Helper()
	for _, q := range b.status().Queues {
		if q.Queue == name {
			return q.Messages
		}
	}
	b.t.Fatalf("no queue %q", name)
	return 0
}

func (b *box) condition(name string) *contract.Condition {
	for _, c := range b.status().Conditions {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func TestAMailGoesFromInQueueToOutQueueToRetrieved(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1), mailOf(2))
	if got := len(b.mailbox(account)); got != 0 {
		t.Errorf("%d mails are served before they were validated", got)
	}
	b.validate()
	for _, boot := range []string{"one", "two"} {
		list := b.mailbox(account)
		if len(list) != 2 || string(b.octets(list[0].Body)) != string(mailOf(1).Body) || string(list[1].Prefix) != deliver {
			t.Fatalf("boot %s: got %v", boot, list)
		}
		b.reopen(boot)
	}
	first := b.mailbox(account)[0]
	for range 2 { // may be repeated
		_, err := pop3{b.Store}.EndPoll(t.Context(), &contract.EndPollRequest{Account: account, Leave: []uint64{first.Id}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := b.mailbox(account); len(got) != 1 || got[0].Id == first.Id {
		t.Errorf("after the poll: got %v", got)
	}
	want := map[string]uint64{"in": 0, "out": 1, "retrieved": 1}
	for _, q := range b.status().Queues {
		if q.Messages != want[q.Queue] {
			t.Errorf("queue %s: %d messages, want %d", q.Queue, q.Messages, want[q.Queue])
		}
	}
}

func TestPutThatComesAgainGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	m := mailOf(1)
	first := b.put(account, m)[0]
	b.reopen("two")
	if again := b.put(account, m, mailOf(2))[0]; again.Id != first.Id || !bytes.Equal(again.Sha256, first.Sha256) {
		t.Errorf("got %v, want %v", again, first)
	}
	b.validate()
	if got := len(b.mailbox(account)); got != 2 {
		t.Errorf("%d mails, want 2", got)
	}
}

func TestUploadOfALargeMail(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	f := fetcher{b.Store}
	want := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	begun, err := f.BeginUpload(t.Context(), &contract.BeginUploadRequest{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(want); at += 1 << 19 {
		chunk := want[at:min(at+1<<19, len(want))]
		for range 2 { // a repeated chunk is taken once
			if _, err := f.AppendUpload(t.Context(), &contract.AppendUploadRequest{Upload: begun.Upload, Offset: uint64(at), Chunk: chunk}); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := mailOf(1)
	m.Body, m.Upload = nil, begun.Upload
	first := b.put(account, m)[0]
	if again := b.put(account, m)[0]; again.Id != first.Id {
		t.Errorf("the put that came again got %v, want %v", again, first)
	}
	b.validate()
	list := b.mailbox(account)
	if len(list) != 1 || !bytes.Equal(b.octets(list[0].Body), want) || !list[0].Body.OpenEnd {
		t.Errorf("another mail came out")
	}
	b.reopen("two")
	if got := b.mailbox(account); len(got) != 1 || !bytes.Equal(b.octets(got[0].Body), want) {
		t.Errorf("after a start: %d mails", len(got))
	}
}

func TestRemoveAccount(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	name := "me@gmx.de@pop3.gmx.de"
	account := b.enrolled(name)
	b.put(account, mailOf(1))
	a := admin{b.Store}
	if _, err := a.RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: name}); err == nil || !strings.Contains(err.Error(), "export") {
		t.Errorf("mail is held, and removing said %v", err)
	}
	if _, err := a.RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: name, WithMail: true}); err != nil {
		t.Fatal(err)
	}
	if got := b.status(); len(got.Accounts) != 0 || b.queue(contract.QueueIn) != 0 {
		t.Errorf("left behind: %v", got)
	}
	if again := b.login(name, secret, inside); again.Outcome != contract.LoginResponse_ACCEPTED || bytes.Equal(again.Account, account) {
		t.Errorf("enrolling again: got %v", again)
	}
}

func TestSweepKeepsToItsTimes(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.Close()
	now := time.Now()
	b.cfg.Now = func() time.Time { return now }
	b.open()
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1), mailOf(2))
	b.validate()
	list := b.mailbox(account)
	if _, err := (pop3{b.Store}).EndPoll(t.Context(), &contract.EndPollRequest{Account: account, Leave: []uint64{list[0].Id}}); err != nil {
		t.Fatal(err)
	}
	retrieved := func() uint64 { return b.queue(contract.QueueRetrieved) }
	day := 24 * time.Hour
	steps := []struct {
		after time.Duration
		good  bool
		want  uint64
	}{{13 * day, true, 1}, {15 * day, false, 1}, {15 * day, true, 0}, {17 * day, true, 0}}
	began := now
	for _, step := range steps {
		now = began.Add(step.after)
		b.clock.report(step.good)
		if err := b.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := retrieved(); got != step.want {
			t.Errorf("after %v, clock good %t: %d retrieved mails are kept, want %d", step.after, step.good, got, step.want)
		}
	}
	first := b.octets(list[0].Body)
	if !bytes.Equal(first, make([]byte, len(first))) {
		t.Error("the dropped body is not punched out")
	}
	if got := b.mailbox(account); len(got) != 1 || string(b.octets(got[0].Body)) != string(mailOf(2).Body) {
		t.Error("its neighbour is damaged")
	}
}

// A note that is lost takes its rows; the bodies come back.
func TestRescueOfBodiesThatNoRowKnows(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1))
	b.put(account, mailOf(2))
	b.put(account, mailOf(3))
	cut := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(cut, os.DirFS(b.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(cut, "notes", "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	log, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	log[bytes.LastIndex(log, mailOf(2).Uidl)] ^= 1
	if err := os.WriteFile(logs[0], log, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := &box{t: t, cfg: b.cfg, faulty: b.faulty}
	damaged.cfg.Dir, damaged.cfg.Boot = cut, "two"
	damaged.open()
	defer damaged.Close()
	damaged.validate()
	seen := make(map[string]int)
	for _, m := range damaged.mailbox(account) {
		seen[string(damaged.octets(m.Body))]++
	}
	for i := 1; i <= 3; i++ {
		if seen[string(mailOf(i).Body)] < 1 {
			t.Errorf("mail %d is lost", i)
		}
	}
	if c := damaged.condition(contract.ConditionDamage); c == nil || !strings.Contains(c.Text, "1 mails") {
		t.Errorf("condition %v", c)
	}
	damaged.mustBeSound()
}

// Puts of one call are committed together, and answered each by itself.
func TestPutsOfOneCall(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	first, unkeyed := mailOf(1), mailOf(3)
	unkeyed.Key = nil
	answer, err := fetcher{b.Store}.PutAll(t.Context(), &contract.PutAllRequest{Puts: []*contract.PutRequest{
		{Account: account, Mails: []*contract.PutMail{first, mailOf(2)}},
		{Account: make([]byte, 16), Mails: []*contract.PutMail{mailOf(4)}},
		{Account: account, Mails: []*contract.PutMail{unkeyed}},
		{Account: account, Mails: []*contract.PutMail{mailOf(5)}},
		{Account: account, Mails: []*contract.PutMail{first}}, // again
	}})
	if err != nil || len(answer.Answers) != 5 {
		t.Fatalf("got %v, %v", answer, err)
	}
	var ids []uint64
	for i, want := range []error{nil, contract.ErrNotFound, contract.ErrInvalid, nil, nil} {
		response, err := answer.Answers[i].Take()
		if !errors.Is(err, want) {
			t.Errorf("put %d: got %v, want %v", i, err, want)
		}
		for _, r := range response.GetResults() {
			ids = append(ids, r.Id)
		}
	}
	if len(ids) != 4 || ids[3] != ids[0] {
		t.Errorf("got ids %v: the last is to be the first one's", ids)
	}
	if got := b.queue(contract.QueueIn); got != 3 {
		t.Errorf("%d mails are in the In Queue, want 3", got)
	}
}

// putOne makes one put.
func putOne(ctx context.Context, f fetcher, q *contract.PutRequest) (*contract.PutResponse, error) {
	answer, err := f.PutAll(ctx, &contract.PutAllRequest{Puts: []*contract.PutRequest{q}})
	if err != nil {
		return nil, err
	}
	return answer.Answers[0].Take()
}
