package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"

	"google.golang.org/protobuf/proto"
)

// message is a request's type.
type message[Q any] interface {
	*Q
	proto.Message
}

// call makes a call of any octets; known is false where they are no request.
func call[Q any, P message[Q], A any](method func(context.Context, P) (A, error)) func(context.Context, []byte) (bool, error) {
	return func(ctx context.Context, octets []byte) (bool, error) {
		q := P(new(Q))
		if proto.Unmarshal(octets, q) != nil {
			return false, nil
		}
		_, err := method(ctx, q)
		return true, err
	}
}

// calls are all calls of the contract that are answered once.
func calls(s *Store) []func(context.Context, []byte) (bool, error) {
	c, p, m, f, v, a, i := common{s, false}, pop3{s}, smtp{s}, fetcher{s}, validator{s}, admin{s}, initService{s}
	return []func(context.Context, []byte) (bool, error){
		call(c.GetSettings), call(c.SetCondition),
		call(p.Login), call(p.OpenMailbox), call(p.EndPoll), call(p.ReportDamage), call(p.GetCertificate),
		call(f.ListAccounts), call(f.TakeVerification), call(f.AnswerVerification), call(f.BeginFetch), call(f.EndFetch),
		call(f.ListLedger), call(f.PutAll), call(f.BeginUpload), call(f.AppendUpload), call(f.AbortUpload), call(f.MarkLedger),
		call(v.Take), call(v.Settle), call(v.Release),
		call(i.ApplyFile), call(i.ReportServices), call(i.ReportClock), call(i.GetStatus),
		call(a.GetStatus), call(a.ShowAccount), call(a.PauseAccount), call(a.ResumeAccount), call(a.FetchAccount), call(a.AcceptIncomplete),
		call(a.SetAccount), call(a.RestoreMail),
		call(a.RemoveAccount), call(a.ListMessages), call(a.ReadMessage), call(a.GetSettings), call(a.CheckSettings),
		call(a.ApplySettings), call(a.Check), call(a.GetFingerprint),
		call(a.SetLogin), call(a.ListLogins), call(a.RemoveLogin),
		call(a.ListQueue), call(a.ShowQueued), call(a.ChangeQueued), call(a.ListCounters),
		call(m.Login), call(m.GetCertificate), call(m.LookUpSender), call(m.LookUpRecipient), call(m.SubmitAll),
		call(m.BeginUpload), call(m.AppendUpload), call(m.AbortUpload), call(m.ListTransport), call(m.BeginDelivery), call(m.EndDelivery),
		call(m.GetLogin), call(m.RefuseLogin), call(m.ReportDamage),
		call(a.ListUsers), call(a.ShowUser), call(a.AddUser), call(a.SetUserPassword), call(a.RemoveUser), call(a.MoveAccount),
		call(a.ListAddresses), call(a.AssignAddress), call(a.RemoveAddress), call(a.SetLicence),
	}
}

// FuzzCalls: whatever a caller sends, the store goes on, stays sound, and writes nothing for what it refuses as invalid.
func FuzzCalls(f *testing.F) {
	var account [16]byte
	add := func(method byte, q proto.Message) {
		octets, err := proto.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(method, octets)
	}
	for method := range byte(len(calls(nil))) {
		f.Add(method, []byte{})
		f.Add(method, append([]byte{10, 16}, account[:]...)) // field 1: sixteen octets
		f.Add(method, []byte{8, 1, 16, 1})                   // fields 1 and 2: numbers
	}
	add(13, &contract.PutAllRequest{Puts: []*contract.PutRequest{{Account: account[:], Mails: []*contract.PutMail{mailOf(1), nil}}}})
	add(13, &contract.PutAllRequest{Puts: []*contract.PutRequest{{Account: account[:], Mails: []*contract.PutMail{{Key: make([]byte, 16), HeaderDigest: make([]byte, 32), Upload: 1}}}}})
	add(17, &contract.MarkLedgerRequest{Account: account[:], Marks: []*contract.LedgerMark{{Id: 1, State: 77}, {}}, Held: []*contract.LedgerRow{{}}})
	add(33, &contract.ReadMessageRequest{Name: "me@example.org@pop3.example.org", Queue: contract.QueueOut, Id: 1, Offset: 1 << 63})
	add(37, &contract.CheckRequest{Cursor: []byte{200, 1, 2}})
	f.Fuzz(func(t *testing.T, method byte, octets []byte) {
		b := newBox(t)
		id := b.enrolled("me@example.org@pop3.example.org")
		b.put(id, mailOf(1))
		octets = bytes.ReplaceAll(octets, account[:], id)
		all := calls(b.Store)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond) // a login waits for its provider
		defer cancel()
		before := b.sequence()
		_, err := all[int(method)%len(all)](ctx, octets)
		if errors.Is(err, contract.ErrInvalid) && !bytes.Equal(before, b.sequence()) {
			t.Errorf("call %d: %v, and something was written", method, err)
		}
	})
}

// sequence gives the last note's, as it stands in the index.
func (b *box) sequence() (sequence []byte) {
	b.t.Helper()
	if err := b.db.View(func(r *engine.Reader) error {
		sequence = slices.Clone(r.Get(engine.Meta, []byte("sequence")))
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return sequence
}
