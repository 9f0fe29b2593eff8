package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

// fetcher serves the fetcher service.
type fetcher struct{ *Store }

// Limits of what a provider may make the store keep with a mail, in octets.
const (
	putKeySize      = 16
	maxUIDL         = 1024 // RFC 1939 §7 allows 70; longer ones are seen
	digestSize      = 32
	maxMailsPerCall = 1000
)

func (f fetcher) PutAll(ctx context.Context, q *contract.PutAllRequest) (*contract.PutAllResponse, error) {
	all := &contract.PutAllResponse{Answers: make([]*contract.PutAnswer, len(q.Puts))}
	var calls []*engine.Call
	var called []calledPut
	for i, one := range q.Puts {
		answer, c, large, err := f.prepare(ctx, one)
		all.Answers[i] = contract.AnswerPut(answer, err)
		if c != nil {
			calls, called = append(calls, c), append(called, calledPut{i, large})
		}
	}
	if len(calls) == 0 {
		return all, nil
	}
	for n, err := range f.db.CommitAll(ctx, calls) {
		c := called[n]
		if err = f.settle(ctx, q.Puts[c.place], c.large, err); err != nil {
			all.Answers[c.place] = contract.AnswerPut(nil, err)
		}
	}
	return all, nil
}

// calledPut is a put that the committer is asked for.
type calledPut struct {
	place int // in the request
	large []segment.Location
}

// prepare gives what a put asks of the committer, the large bodies that its uploads have made, and the answer that is good
// once that has happened; no call: it is the answer already.
func (f fetcher) prepare(ctx context.Context, q *contract.PutRequest) (answer *contract.PutResponse, call *engine.Call, large []segment.Location, err error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := checkPut(q); err != nil {
		return nil, nil, nil, err
	}
	octets := 0
	for _, m := range q.Mails {
		octets += segment.HeaderSize + len(m.Body)
	}
	full := f.mayTakeIn(ctx, octets)
	if full != nil || slices.ContainsFunc(q.Mails, func(m *contract.PutMail) bool { return m.Upload != 0 }) {
		if answer, err := f.answeredBefore(q); err != nil || answer != nil {
			return answer, nil, nil, err
		}
	}
	if full != nil {
		return nil, nil, nil, full
	}
	call = &engine.Call{}
	for _, m := range q.Mails {
		if m.Upload != 0 {
			l, err := f.uploads.finish(m.Upload, segment.Received, id)
			if err != nil {
				return nil, nil, nil, err
			}
			large = append(large, l)
		} else {
			call.Bodies = append(call.Bodies, segment.NewBody(segment.Received, id, f.now(), m.Body))
		}
	}
	answer = &contract.PutResponse{}
	call.Plan = func(t *engine.Txn, locations []segment.Location) error {
		answer.Results = nil
		acc, err := loadAccount(&t.Reader, id)
		if err != nil {
			return err
		}
		in := &intake{Txn: t, account: id}
		large := large
		for _, m := range q.Mails {
			from := &locations
			if m.Upload != 0 {
				from = &large
			}
			l := (*from)[0]
			*from = (*from)[1:]
			result, err := in.put(m, l)
			if err != nil {
				return err
			}
			answer.Results = append(answer.Results, result)
		}
		f.tellQueues(t)
		if in.incomplete {
			return f.tellIncomplete(t, acc)
		}
		return nil
	}
	return answer, call, large, nil
}

// settle ends a put's uploads when the commit was made. It gives the error of the put.
func (f fetcher) settle(ctx context.Context, q *contract.PutRequest, large []segment.Location, err error) error {
	if len(large) == 0 {
		return err
	}
	var uploads []uint64
	for _, m := range q.Mails {
		if m.Upload != 0 {
			uploads = append(uploads, m.Upload)
		}
	}
	return f.endUploads(ctx, large, uploads, err)
}

// endUploads ends the uploads of a commit whose error is err: those of one that was refused for good are dropped, since it
// would be refused again.
func (s *Store) endUploads(ctx context.Context, large []segment.Location, uploads []uint64, err error) error {
	if errors.Is(err, contract.ErrConflict) || errors.Is(err, contract.ErrNotFound) {
		dropped := s.db.Update(ctx, func(t *engine.Txn) error {
			for _, l := range large {
				if t.Adopt(l) {
					t.Drop(engine.BodyOf(l))
				}
			}
			return nil
		})
		if dropped != nil {
			return errors.Join(err, dropped)
		}
	} else if err != nil {
		return err
	}
	for _, upload := range uploads {
		s.uploads.done(upload)
	}
	return err
}

// answeredBefore gives the answer to a put that comes again whole where the commit can't tell: its uploads may be
// forgotten by now, or the disk be full.
func (f fetcher) answeredBefore(q *contract.PutRequest) (*contract.PutResponse, error) {
	answer := &contract.PutResponse{}
	err := f.db.View(func(r *engine.Reader) error {
		for _, m := range q.Mails {
			var before rows.Put
			known, err := r.Load(engine.Puts, m.Key, &before)
			if err != nil || !known {
				answer = nil
				return err
			}
			answer.Results = append(answer.Results, &contract.PutResult{Id: before.Id, Sha256: before.Sha256})
		}
		return nil
	})
	return answer, err
}

// intake is a put within its commit.
type intake struct {
	*engine.Txn
	account accountID
	// incomplete: a row went, or came, that the condition of incomplete mails counts.
	incomplete bool
}

// put stores one mail: its queue and its ledger row in one commit. A key that was answered before gets the first
// answer, and the body that came again is dropped; but not that of an upload which came again before it was answered: it's
// the body that was stored.
func (t *intake) put(m *contract.PutMail, l segment.Location) (*contract.PutResult, error) {
	body := engine.BodyOf(l)
	var before rows.Put
	known, err := t.Load(engine.Puts, m.Key, &before)
	if err != nil {
		return nil, err
	}
	again := m.Upload != 0 && !t.Adopt(l)
	if known {
		if !again {
			t.Drop(body)
		}
		return &contract.PutResult{Id: before.Id, Sha256: before.Sha256}, nil
	}
	if again {
		return nil, fmt.Errorf("%w: upload %d was put before, under another key", contract.ErrConflict, m.Upload)
	}
	old, err := t.replaced(m.Replaces)
	if err != nil {
		return nil, err
	}
	now := t.Now().UnixNano()
	row := &rows.Ledger{Uidl: m.Uidl, Size: m.Size, HeaderDigest: m.HeaderDigest, BodyDigest: m.BodyDigest, Changed: now, First: now}
	message := &rows.Message{Account: t.account[:], Body: body, Received: now}
	queue := engine.In
	switch {
	case m.Hold:
		queue = engine.Held
		message, err = t.hold(row, message, m.Replaces, old)
	case m.Notice:
		row.Limit = m.Limit
		err = leaveAsLarge(row, m.Replaces, old)
	default:
		err = t.store(row, body, m.Replaces, old)
	}
	if err != nil {
		return nil, err
	}
	id := t.NewID()
	if old != nil {
		t.incomplete = t.incomplete || unaccepted(old)
		t.Delete(engine.Ledger, ledgerKey(t.account, m.Replaces))
	}
	t.Save(engine.Ledger, ledgerKey(t.account, id), row)
	t.Save(engine.Puts, m.Key, &rows.Put{Id: id, Sha256: body.Sha256, Time: now})
	return &contract.PutResult{Id: id, Sha256: body.Sha256}, enter(t.Txn, queue, id, message)
}

// replaced gives the ledger row that a put takes the place of; nil: it takes none's. A row that moved on meanwhile is
// another mail's by now, or this one is stored already: then nothing may take its place.
func (t *intake) replaced(id uint64) (*rows.Ledger, error) {
	if id == 0 {
		return nil, nil
	}
	old := &rows.Ledger{}
	found, err := t.Load(engine.Ledger, ledgerKey(t.account, id), old)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("%w: ledger row %d, which a mail is to replace, is gone", contract.ErrConflict, id)
	case contract.LedgerState(old.State) != contract.LedgerState_HELD && old.Reason == 0:
		return nil, fmt.Errorf("%w: ledger row %d, which a mail is to replace, is %v", contract.ErrConflict, id, contract.LedgerState(old.State))
	}
	return old, nil
}

// store is a mail that is all there. It's better than what was held in its place, which is dropped.
func (t *intake) store(row *rows.Ledger, body *rows.Body, replaces uint64, old *rows.Ledger) error {
	row.State, row.Sha256 = uint32(contract.LedgerState_STORED), body.Sha256
	if !heldForSize(old) {
		return nil
	}
	m, err := leave(t.Txn, engine.Held, t.account, replaces)
	if err == nil && m != nil {
		t.Drop(m.Body)
	}
	return err
}

// leaveAsLarge is a notice's row. It says of the mail what LIST, UIDL and perhaps TOP do, and has no digest of its bytes:
// they weren't retrieved.
func leaveAsLarge(row *rows.Ledger, replaces uint64, old *rows.Ledger) error {
	if old != nil && contract.LedgerReason(old.Reason) == contract.LedgerReason_SIZE {
		return fmt.Errorf("%w: ledger row %d is of a mail that is stored, and no notice takes its place", contract.ErrConflict, replaces)
	}
	row.State, row.Reason = uint32(contract.LedgerState_LEFT), uint32(contract.LedgerReason_LARGE)
	return nil
}

func checkPut(q *contract.PutRequest) error {
	octets := 0
	var errs []error
	if n := len(q.Mails); n == 0 || n > maxMailsPerCall {
		errs = append(errs, fmt.Errorf("%d mails, not 1 to %d", n, maxMailsPerCall))
	}
	for i, m := range q.Mails {
		octets += len(m.Body)
		if len(m.Key) != putKeySize {
			errs = append(errs, fmt.Errorf("mail %d: key of %d octets, not %d", i, len(m.Key), putKeySize))
		}
		if len(m.Uidl) > maxUIDL {
			errs = append(errs, fmt.Errorf("mail %d: UIDL of %d octets, over %d", i, len(m.Uidl), maxUIDL))
		}
		if !optionalDigest(m.BodyDigest) {
			errs = append(errs, fmt.Errorf("mail %d: body digest of %d octets, not %d", i, len(m.BodyDigest), digestSize))
		}
		if n := len(m.HeaderDigest); n != digestSize && (n != 0 || !m.Notice) {
			errs = append(errs, fmt.Errorf("mail %d: header digest of %d octets, not %d", i, len(m.HeaderDigest), digestSize))
		}
		if m.Hold && m.Notice {
			errs = append(errs, fmt.Errorf("mail %d: held, and a notice", i))
		}
		if m.Upload != 0 && len(m.Body) > 0 {
			errs = append(errs, fmt.Errorf("mail %d: body and upload", i))
		}
	}
	if octets > contract.MaxPut {
		errs = append(errs, fmt.Errorf("%d octets of mail, over %d", octets, contract.MaxPut))
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: put: %w", contract.ErrInvalid, errors.Join(errs...))
	}
	return nil
}

func optionalDigest(d []byte) bool { return len(d) == 0 || len(d) == digestSize }
