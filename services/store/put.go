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

func (f fetcher) Put(ctx context.Context, q *contract.PutRequest) (*contract.PutResponse, error) {
	id, err := parseAccount(q.Account)
	if err != nil {
		return nil, err
	}
	if err := checkPut(q); err != nil {
		return nil, err
	}
	octets := 0
	for _, m := range q.Mails {
		octets += segment.HeaderSize + len(m.Body)
	}
	full := f.mayTakeIn(ctx, octets)
	if full != nil || slices.ContainsFunc(q.Mails, func(m *contract.PutMail) bool { return m.Upload != 0 }) {
		if answer, err := f.answeredBefore(q); err != nil || answer != nil {
			return answer, err
		}
	}
	if full != nil {
		return nil, full
	}
	var bodies []segment.Body
	var large []segment.Location
	for _, m := range q.Mails {
		if m.Upload != 0 {
			l, err := f.uploads.finish(m.Upload, id)
			if err != nil {
				return nil, err
			}
			large = append(large, l)
		} else {
			bodies = append(bodies, segment.NewBody(segment.Received, id, f.now(), m.Body))
		}
	}
	answer := &contract.PutResponse{}
	err = f.db.Commit(ctx, bodies, large, func(t *engine.Txn, locations []segment.Location) error {
		answer.Results = nil
		if _, err := loadAccount(&t.Reader, id); err != nil {
			return err
		}
		shared, large := locations[:len(bodies)], locations[len(bodies):]
		for _, m := range q.Mails {
			from := &shared
			if m.Upload != 0 {
				from = &large
			}
			l := (*from)[0]
			*from = (*from)[1:]
			result, err := putMail(t, id, m, l)
			if err != nil {
				return err
			}
			answer.Results = append(answer.Results, result)
		}
		t.After(func() {
			f.workers.again()
			f.look.again(contract.Topic_TOPIC_QUEUES)
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range q.Mails {
		if m.Upload != 0 {
			f.uploads.done(m.Upload)
		}
	}
	return answer, nil
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

// putMail stores one mail: In Queue and ledger in one commit. A key that was answered before gets the first
// answer, and the body that came again is dropped.
func putMail(t *engine.Txn, id accountID, m *contract.PutMail, l segment.Location) (*contract.PutResult, error) {
	body := engine.BodyOf(l)
	var before rows.Put
	known, err := t.Load(engine.Puts, m.Key, &before)
	if err != nil {
		return nil, err
	}
	if known {
		t.Drop(body)
		return &contract.PutResult{Id: before.Id, Sha256: before.Sha256}, nil
	}
	row := t.NewID()
	if m.Replaces != 0 {
		t.Delete(engine.Ledger, ledgerKey(id, m.Replaces))
	}
	t.Save(engine.Ledger, ledgerKey(id, row), &rows.Ledger{
		State: uint32(contract.LedgerState_STORED), Uidl: m.Uidl, Size: m.Size,
		Sha256: body.Sha256, HeaderDigest: m.HeaderDigest, Changed: t.Now().UnixNano(),
	})
	t.Save(engine.Puts, m.Key, &rows.Put{Id: row, Sha256: body.Sha256, Time: t.Now().UnixNano()})
	message := &rows.Message{Account: id[:], Body: body, Received: t.Now().UnixNano()}
	if err := enter(t, engine.In, row, message); err != nil {
		return nil, err
	}
	return &contract.PutResult{Id: row, Sha256: body.Sha256}, nil
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
		if len(m.HeaderDigest) != digestSize {
			errs = append(errs, fmt.Errorf("mail %d: header digest of %d octets, not %d", i, len(m.HeaderDigest), digestSize))
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
