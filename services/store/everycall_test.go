package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/disk/disktest"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// lived is a store's folder as a kill left it, with what a life of it then does: every kind of change, a checkpoint, a
// sweep, an orderly end. Each mail's octets are its own.
type lived struct {
	dir     string
	cfg     Config
	account []byte
	now     time.Time

	// What the store answered for, in the life under test.
	put, refused []string
	left         bool     // the first mail of the Out Queue
	waits, sent  uint64   // mails of the Transport Queue: one that stays, and one that is delivered
	submits      []string // as put, into the Transport Queue
	refusedSends []string
	delivered    bool // the second mail: into the In Queue, with a notice
	held         bool // the first one
	marked       bool
	settings     bool
}

var largeMail = string(bytes.Repeat([]byte("a large one\r\n"), 100_000))

func newLived(t *testing.T) *lived {
	t.Helper()
	b := newBox(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	l := &lived{now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	b.cfg.Now = func() time.Time { return l.now }
	b.open()
	l.account = b.enrolled("me@gmx.de@pop3.gmx.de")
	twice := plain("retrieved")
	b.put(l.account, twice)
	b.put(l.account, twice, plain("to leave"))
	upload, err := b.upload(l.account, []byte("old "+largeMail))
	if err != nil {
		t.Fatal(err)
	}
	large := plain("")
	large.Body, large.Upload = nil, upload
	b.put(l.account, large)
	b.validate()
	b.put(l.account, plain("to validate"))
	var leave []uint64
	for _, m := range b.mailbox(l.account) {
		if string(b.octets(m.Body)) != "to leave" {
			leave = append(leave, m.Id)
		}
	}
	if _, err := (pop3{b.Store}).EndPoll(t.Context(), &contract.EndPollRequest{Account: l.account, Leave: leave}); err != nil {
		t.Fatal(err)
	}
	l.waits = b.submitted(sendText("waits"))
	l.sent = b.submitted(sendText("sent"))
	l.dir, l.cfg = filepath.Join(t.TempDir(), "store"), b.cfg
	if err := os.CopyFS(l.dir, os.DirFS(b.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	l.now = l.now.Add(20 * 24 * time.Hour) // what was retrieved is over
	return l
}

// run lives on a copy of the folder whose disk fails, until it can't.
func (l lived) run(t *testing.T, dir string, faulty *disktest.Faulty) *lived {
	t.Helper()
	cfg := l.cfg
	cfg.Dir, cfg.FS, cfg.Boot, cfg.CheckpointAfter = dir, faulty, "two", 512
	now := l.now
	cfg.Now = func() time.Time { return now }
	s, err := Open(context.Background(), cfg)
	if err != nil {
		return &l
	}
	defer s.Close() // what it says is the fault's
	s.clock.report(true)
	b := &box{t: t, Store: s, cfg: cfg}
	for _, text := range []string{"one", "two"} {
		l.took(text, l.store(b, plain(text)))
	}
	large := plain("")
	if large.Upload, err = b.upload(l.account, []byte(largeMail)); err == nil {
		large.Body = nil
		err = l.store(b, large)
	}
	l.took(largeMail, err)
	list, err := s.mailboxOf(t.Context(), l.account)
	if err == nil && len(list) > 0 {
		_, err = pop3{s}.EndPoll(t.Context(), &contract.EndPollRequest{Account: l.account, Leave: []uint64{list[0].Id}})
		l.left = err == nil
	}
	l.send(b)
	answer, err := fetcher{s}.ListLedger(t.Context(), &contract.ListLedgerRequest{Account: l.account})
	if err == nil && len(answer.Rows) > 0 {
		l.marked = b.mark(l.account, answer.Rows[0].Id, contract.LedgerState_DELE_SENT) == nil
	}
	_, err = admin{s}.ApplySettings(t.Context(), &contract.ApplySettingsRequest{File: "x", Text: []byte(allowPlain)})
	l.settings = err == nil
	s.sweep(t.Context())
	now = now.Add(2 * 24 * time.Hour) // what was dropped is punched
	s.clock.report(true)
	s.sweep(t.Context())
	l.took("three", l.store(b, plain("three")))
	return &l
}

func (l *lived) store(b *box, m *contract.PutMail) error {
	_, err := putOne(b.t.Context(), fetcher{b.Store}, &contract.PutRequest{Account: l.account, Mails: []*contract.PutMail{m}})
	return err
}

func sendText(text string) *contract.SubmitMail {
	m := sendMail("x@example.org", "me+gmx.de@pop3proxy.reddoxx", "you@example.net")
	m.Body = []byte(text)
	return m
}

// send takes mail into the Transport Queue, and delivers some of it.
func (l *lived) send(b *box) {
	for _, text := range []string{"submitted", "submitted, too"} {
		_, err := b.submit(sendText(text))
		l.tookSend(text, err)
	}
	r := b.runner(1)
	defer r.die()
	begun := make([]bool, 2)
	for i, id := range []uint64{l.waits, l.sent} {
		_, err := r.tryBegin(id, 0, 1)
		begun[i] = err == nil
	}
	if begun[0] {
		l.held = r.tryEnd(l.waits, nil, result(0, contract.RecipientState_FAILED), result(1, contract.RecipientState_ON_HOLD)) == nil
	}
	if !begun[1] {
		return
	}
	notice := sendText("notice")
	notice.Client = ""
	local := result(0, contract.RecipientState_DELIVERED)
	local.Local = l.account
	err := r.tryEnd(l.sent, []*contract.SubmitMail{notice}, local, result(1, contract.RecipientState_FAILED))
	l.delivered = err == nil
	l.tookSend("notice", err)
}

func (l *lived) tookSend(text string, err error) {
	if err == nil {
		l.submits = append(l.submits, text)
	} else {
		l.refusedSends = append(l.refusedSends, text)
	}
}

func (l *lived) took(text string, err error) {
	if err == nil {
		l.put = append(l.put, text)
	} else {
		l.refused = append(l.refused, text)
	}
}

func (s *Store) mailboxOf(ctx context.Context, account []byte) ([]*contract.MailboxMessage, error) {
	answer, err := pop3{s}.OpenMailbox(ctx, &contract.OpenMailboxRequest{Account: account})
	return answer.GetMessages(), err
}

// check opens what is left of the folder on a disk that is well again.
func (l *lived) check(t *testing.T, dir, boot string) (problems []string) {
	t.Helper()
	say := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	b := &box{t: t, cfg: l.cfg, orphans: len(l.refused) + len(l.refusedSends)}
	b.cfg.Dir, b.cfg.FS, b.cfg.Boot, b.cfg.Now = dir, disktest.Unsynced{}, boot, func() time.Time { return l.now }
	s, err := Open(context.Background(), b.cfg)
	if err != nil {
		return []string{err.Error()}
	}
	b.Store = s
	defer s.Close()
	problems = append(b.problems(), b.misplaced()...)
	if c := b.condition(contract.ConditionDamage); c != nil {
		say("damage: %s", c.Text)
	}
	found := make(map[string][]string) // the queues that a mail is in
	err = s.db.View(func(r *engine.Reader) error {
		for _, q := range queues {
			for key := range r.Scan(q.bucket, nil, nil) {
				var m rows.Message
				if _, err := r.Load(q.bucket, key, &m); err != nil {
					return err
				}
				text := string(b.octets(contractBody(m.Body)))
				found[text] = append(found[text], q.name)
			}
		}
		for key := range r.Scan(engine.Transport, nil, nil) {
			m, err := findQueued(r, idOfKey(key))
			if err != nil {
				return err
			}
			text := string(b.octets(contractBody(m.Body)))
			found[text] = append(found[text], contract.QueueTransport)
		}
		return nil
	})
	if err != nil {
		say("%v", err)
	}
	l.checkSent(b, found, say)
	for _, text := range append([]string{"to leave", "to validate"}, l.put...) {
		if len(found[text]) != 1 {
			say("%.20q is in %v", text, found[text])
		}
	}
	for _, text := range l.refused {
		if len(found[text]) > 1 {
			say("%.20q, refused, is in %v", text, found[text])
		}
	}
	if l.left && !slices.Equal(found["to leave"], []string{contract.QueueRetrieved}) {
		say("a mail left the Out Queue and is in %v", found["to leave"])
	}
	answer, err := fetcher{s}.ListLedger(t.Context(), &contract.ListLedgerRequest{Account: l.account})
	if err != nil || l.marked && answer.Rows[0].State != contract.LedgerState_DELE_SENT {
		say("the ledger's first row: %v, %v", answer.GetRows(), err)
	}
	if l.settings && string(s.settings.Load().POP3.PlaintextLogin) != "always" {
		say("settings that were applied are not in force")
	}
	return problems
}

// checkSent: what was taken is there once, and what was delivered is in one queue or the other, with its notice.
func (l *lived) checkSent(b *box, found map[string][]string, say func(string, ...any)) {
	for _, text := range append([]string{"waits"}, l.submits...) {
		if !slices.Equal(found[text], []string{contract.QueueTransport}) {
			say("%q is in %v", text, found[text])
		}
	}
	for _, text := range l.refusedSends {
		if n := len(found[text]); n > 1 {
			say("%q, refused, is in %v", text, found[text])
		}
	}
	if in := found["sent"]; len(in) != 1 || (in[0] == contract.QueueIn) != (len(found["notice"]) == 1) {
		say("a mail is in %v, and its notice in %v", in, found["notice"])
	} else if l.delivered && in[0] != contract.QueueIn {
		say("a mail was delivered, and is in %v", in)
	}
	if m := b.queuedMail(l.waits); l.held && m.GetRecipients() != nil && m.Recipients[1].State != contract.RecipientState_ON_HOLD {
		say("a mail was held, and is %v", m.Recipients[1].State)
	}
}

// Each call to the disk fails in its turn, alone or with all that come behind it, a write behind its first half: what the
// store answered for is there on the next start, once, after a kill and after the machine was off.
func TestEachCallToTheDiskFails(t *testing.T) {
	t.Parallel()
	l := newLived(t)
	// every gives a disk that fails at calls from n to m-1.
	every := func(n, m int, errno error) (*disktest.Faulty, func() (int, string)) {
		calls, hit := 0, ""
		faulty := &disktest.Faulty{FS: disktest.Unsynced{}}
		faulty.Fail(func(op, name string) error {
			if op == "free" {
				return nil
			}
			calls++
			if calls <= n || calls > m {
				return nil
			}
			if hit == "" {
				hit = op + " of " + filepath.Base(name)
			}
			return errno
		})
		return faulty, func() (int, string) { return calls, hit }
	}
	life := func(t *testing.T, n, m int, errno error) (calls int) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "store")
		if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
			t.Fatal(err)
		}
		faulty, seen := every(n, m, errno)
		after := l.run(t, dir, faulty)
		faulty.Fail(nil)
		calls, hit := seen()
		if hit == "" && len(after.refused) > 0 {
			t.Errorf("nothing failed, and %d mails were refused", len(after.refused))
		}
		for _, boot := range []string{"two", "three"} {
			copied := filepath.Join(t.TempDir(), "store")
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if problems := after.check(t, copied, boot); len(problems) > 0 {
				t.Errorf("%v at call %d (%s), to %d, then boot %s: %v", errno, n+1, hit, m, boot, errors.Join(toErrors(problems)...))
			}
		}
		return calls
	}
	all := life(t, 0, 0, nil)
	t.Logf("%d calls", all)
	const forks = 4
	for fork := range forks {
		t.Run(fmt.Sprint(fork), func(t *testing.T) {
			t.Parallel()
			for n := fork; n < all; n += forks {
				life(t, n, n+1, errnos[n/forks%2])
				life(t, n, 1<<30, errnos[(n/forks+1)%2])
			}
		})
	}
}

func toErrors(texts []string) (errs []error) {
	for _, text := range texts {
		errs = append(errs, errors.New(text))
	}
	return errs
}
