package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
)

func sendMail(from string, to ...string) *contract.SubmitMail {
	m := &contract.SubmitMail{Key: make([]byte, 16), Sender: from, Client: inside, Body: []byte("Subject: to send\r\n\r\nHello\r\n")}
	rand.Read(m.Key)
	for _, address := range to {
		m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: address})
	}
	return m
}

func (b *box) submit(m *contract.SubmitMail) (uint64, error) {
	b.t.Helper()
	answer, err := smtp{b.Store}.SubmitAll(b.t.Context(), &contract.SubmitAllRequest{Mails: []*contract.SubmitMail{m}})
	if err != nil {
		return 0, err
	}
	return answer.Answers[0].Take()
}

func (b *box) submitted(m *contract.SubmitMail) uint64 {
	b.t.Helper()
	id, err := b.submit(m)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// queuedMail gives a mail of the Transport Queue, nil when it isn't there.
func (b *box) queuedMail(id uint64) *contract.Transport {
	b.t.Helper()
	answer, err := admin{b.Store}.ShowQueued(b.t.Context(), &contract.QueuedRequest{Id: id})
	if errors.Is(err, contract.ErrNotFound) {
		return nil
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.Mail
}

// queued counts the mails of the Transport Queue, by its rows and by its total.
func (b *box) queued() int {
	b.t.Helper()
	answer, err := admin{b.Store}.ListQueue(b.t.Context(), &contract.ListQueueRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	if total := b.queue(contract.QueueTransport); total != uint64(len(answer.Mails)) {
		b.t.Errorf("total %d, and %d are there", total, len(answer.Mails))
	}
	return len(answer.Mails)
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	m := sendMail("me@example.org", "you@example.net", "she@example.net")
	m.Smtputf8, m.EightBit, m.EnvelopeId, m.HeadersOnly = true, true, "env", true
	m.Recipients[1].Notify, m.Recipients[1].Original = &contract.Notify{Success: true, Delay: true}, "rfc822;she@example.net"
	id := b.submitted(m)
	for _, boot := range []string{"two", "three"} {
		got := b.queuedMail(id)
		if got.Sender != m.Sender || !got.Smtputf8 || !got.EightBit || got.EnvelopeId != "env" || !got.HeadersOnly || got.Client != inside || len(got.Owner) != 0 {
			t.Errorf("got %v", got)
		}
		if n := got.Recipients[0]; n.Address != "you@example.net" || n.State != contract.RecipientState_WAITING || n.NextTry == nil || n.Notify != nil {
			t.Errorf("the first recipient: %v", n)
		}
		if n := got.Recipients[1]; !proto.Equal(n.Notify, m.Recipients[1].Notify) || n.Original != "rfc822;she@example.net" {
			t.Errorf("the second recipient: %v", n)
		}
		if text := b.octets(got.Body); !bytes.Equal(text, m.Body) {
			t.Errorf("body %q", text)
		}
		if again := b.submitted(m); again != id || b.queued() != 1 {
			t.Errorf("the same key: %d, was %d; %d in the queue", again, id, b.queued())
		}
		b.reopen(boot)
	}
}

// Each mail of a call has its own end.
func TestSubmitSeveral(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	good, other := sendMail("me@example.org", "you@example.net"), sendMail("", "me@example.org")
	bad := sendMail("me@example.org")
	answer, err := smtp{b.Store}.SubmitAll(t.Context(), &contract.SubmitAllRequest{Mails: []*contract.SubmitMail{good, bad, other}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer.Answers[1].Take(); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("without recipients: %v", err)
	}
	for _, i := range []int{0, 2} {
		if id, err := answer.Answers[i].Take(); err != nil || b.queuedMail(id) == nil {
			t.Errorf("mail %d: %v", i, err)
		}
	}
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for name, spoil := range map[string]func(*contract.SubmitMail){
		"no key":              func(m *contract.SubmitMail) { m.Key = nil },
		"no body":             func(m *contract.SubmitMail) { m.Body = nil },
		"body and upload":     func(m *contract.SubmitMail) { m.Upload = 1 },
		"a line end":          func(m *contract.SubmitMail) { m.Recipients[0].Address = "a@b\r\nRCPT TO:<c@d>" },
		"a line end, sender":  func(m *contract.SubmitMail) { m.Sender = "a@b\n" },
		"not UTF-8":           func(m *contract.SubmitMail) { m.Recipients[0].Address = "\xff@example.org" },
		"empty recipient":     func(m *contract.SubmitMail) { m.Recipients[0].Address = "" },
		"long recipient":      func(m *contract.SubmitMail) { m.Recipients[0].Address = strings.Repeat("a", maxAddress+1) },
		"long ORCPT":          func(m *contract.SubmitMail) { m.Recipients[0].Original = strings.Repeat("a", maxParameter+1) },
		"NUL in ENVID":        func(m *contract.SubmitMail) { m.EnvelopeId = "\x00" },
		"client":              func(m *contract.SubmitMail) { m.Client = "localhost" },
		"account":             func(m *contract.SubmitMail) { m.Account = []byte("x") },
		"too many recipients": func(m *contract.SubmitMail) { m.Recipients = make([]*contract.SubmitRecipient, maxRecipients+1) },
		"a long envelope": func(m *contract.SubmitMail) {
			for range 3000 {
				m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: strings.Repeat("a", 400)})
			}
		},
	} {
		m := sendMail("me@example.org", "you@example.net")
		spoil(m)
		if _, err := b.submit(m); !errors.Is(err, contract.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	m := sendMail("me@example.org", "you@example.net")
	m.Body = make([]byte, contract.MaxPut+1)
	if _, err := b.submit(m); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("over MaxPut: got %v", err)
	}
	m.Body, m.Upload = nil, 77
	if _, err := b.submit(m); !errors.Is(err, contract.ErrNotFound) {
		t.Errorf("no such upload: got %v", err)
	}
	if n := b.queued(); n != 0 {
		t.Errorf("%d were refused, and are there", n)
	}
}

func TestSubmitUpload(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	p := smtp{b.Store}
	if _, err := p.BeginUpload(t.Context(), &contract.BeginUploadRequest{Account: make([]byte, 16)}); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("an upload for an account: %v", err)
	}
	begun, err := p.BeginUpload(t.Context(), &contract.BeginUploadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	octets := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
	for at := 0; at < len(octets); at += 1 << 19 {
		chunk := octets[at:min(at+1<<19, len(octets))]
		if _, err := p.AppendUpload(t.Context(), &contract.AppendUploadRequest{Upload: begun.Upload, Offset: uint64(at), Chunk: chunk}); err != nil {
			t.Fatal(err)
		}
	}
	m := sendMail("me@example.org", "you@example.net")
	m.Body, m.Upload = nil, begun.Upload
	id := b.submitted(m)
	if !bytes.Equal(b.octets(b.queuedMail(id).Body), octets) {
		t.Error("another body came out")
	}
	b.reopen("two")
	if again := b.submitted(m); again != id { // the upload is forgotten by now
		t.Errorf("the same key: %d, was %d", again, id)
	}
	// The fetcher's are not for mail that is sent.
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	upload, err := b.upload(account, octets)
	if err != nil {
		t.Fatal(err)
	}
	m = sendMail("me@example.org", "you@example.net")
	m.Body, m.Upload = nil, upload
	if _, err := b.submit(m); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("with a fetcher's upload: %v", err)
	}
	if _, err := (fetcher{b.Store}).AbortUpload(t.Context(), &contract.AbortUploadRequest{Upload: upload}); err != nil {
		t.Error(err)
	}
}

func TestSubmitToFullDisk(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	m := sendMail("me@example.org", "you@example.net")
	id := b.submitted(m)
	b.failAt("free", "", errnos[1])
	b.room.left.Store(0)
	if _, err := b.submit(sendMail("me@example.org", "you@example.net")); !errors.Is(err, contract.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if again, err := b.submit(m); err != nil || again != id {
		t.Errorf("what was taken before: %d, %v", again, err)
	}
	b.faulty.Fail(nil)
}

// Recipients of a mail with many have rows of their own, and only those that change are written.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	m := sendMail("me@example.org")
	for i := range 10*partOf + 1 {
		m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: fmt.Sprintf("r%d@example.net", i)})
	}
	id := b.submitted(m)
	r := b.runner(1)
	const one = 5*partOf + 3
	part := func(n int) []byte {
		var value []byte
		if err := b.db.View(func(r *engine.Reader) error {
			if value = bytes.Clone(r.Get(engine.Recipients, partKey(id, n))); n == 0 {
				value = bytes.Clone(r.Get(engine.Transport, idKey(id)))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return value
	}
	if len(part(0)) > 8<<10 || len(part(10)) > 200 || part(11) != nil {
		t.Errorf("rows of %d, %d and %d octets", len(part(0)), len(part(10)), len(part(11)))
	}
	before := part(4)
	r.begin(id, one)
	r.end(id, &contract.RecipientResult{Index: one, State: contract.RecipientState_FAILED})
	if !bytes.Equal(part(4), before) {
		t.Error("recipients whose state is the same were written")
	}
	b.reopen("two")
	for i, n := range b.queuedMail(id).Recipients {
		want := contract.RecipientState_WAITING
		if i == one {
			want = contract.RecipientState_FAILED
		}
		if n.Address != m.Recipients[i].Address || n.State != want {
			t.Fatalf("recipient %d: %v", i, n)
		}
	}
	if _, err := (admin{b.Store}).ChangeQueued(t.Context(), &contract.ChangeQueuedRequest{Id: id, Change: contract.ChangeQueuedRequest_DROP_SILENT}); err != nil {
		t.Fatal(err)
	}
	if b.queued() != 0 {
		t.Error("a mail whose recipients are all done is in the queue")
	}
}

// A body whose rows are all gone is punched, and one that a row needs is not.
func TestSharedBodyIsDroppedWithItsLastRow(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	now := time.Now()
	b.Store.cfg.Now = func() time.Time { return now }
	var body *rows.Body
	count := func(bucket engine.Bucket) (n int) {
		if err := b.db.View(func(r *engine.Reader) error {
			for range r.Scan(bucket, nil, nil) {
				n++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	id := b.submitted(sendMail("me@example.org", "you@example.net"))
	err := b.db.Update(t.Context(), func(t *engine.Txn) error {
		m, err := loadQueued(&t.Reader, id)
		body = m.Body
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range []struct {
		change          func(*engine.Txn)
		shared, dropped int
	}{
		{func(t *engine.Txn) { t.Share(body) }, 1, 0},
		{func(t *engine.Txn) { t.Share(body) }, 1, 0},
		{func(t *engine.Txn) { t.Drop(body) }, 1, 0},
		{func(t *engine.Txn) { t.Drop(body) }, 0, 0},
		{func(t *engine.Txn) { t.Share(body) }, 1, 0},
		{func(t *engine.Txn) { t.Drop(body) }, 0, 0},
	} {
		if err := b.db.Update(t.Context(), func(t *engine.Txn) error { want.change(t); return nil }); err != nil {
			t.Fatal(err)
		}
		if shared, dropped := count(engine.Shared), count(engine.Dropped); shared != want.shared || dropped != want.dropped {
			t.Errorf("step %d: %d shared, %d dropped", step, shared, dropped)
		}
	}
	if _, err := (admin{b.Store}).ChangeQueued(t.Context(), &contract.ChangeQueuedRequest{Id: id, Change: contract.ChangeQueuedRequest_DROP_SILENT}); err != nil {
		t.Fatal(err)
	}
	if count(engine.Dropped) != 1 {
		t.Error("the last row went, and the body is not dropped")
	}
}
