package fakestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"postroom/services/contract"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func heldForSize(r *contract.LedgerRow) bool {
	return r.State == contract.LedgerState_HELD && r.Reason == contract.LedgerReason_SIZE
}

func (a *Account) row(id uint64) *contract.LedgerRow {
	for _, r := range a.rows {
		if r.Id == id {
			return r
		}
	}
	return nil
}

func (s *Store) PutAll(_ context.Context, q *contract.PutAllRequest) (*contract.PutAllResponse, error) {
	all := &contract.PutAllResponse{}
	for _, r := range q.Puts {
		all.Answers = append(all.Answers, contract.AnswerPut(s.one(r)))
	}
	return all, nil
}

func (s *Store) one(r *contract.PutRequest) (*contract.PutResponse, error) {
	s.mu.Lock()
	fault := s.PutFault
	s.mu.Unlock()
	if fault != nil {
		if err := fault(r); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(r.Account)
	if err != nil {
		return nil, err
	}
	octets := 0
	for _, m := range r.Mails {
		octets += len(m.Body)
		replaced := a.row(m.Replaces)
		switch {
		case len(m.Key) != 16:
			return nil, s.problem("put with a key of %d octets", len(m.Key))
		case s.answers[string(m.Key)] != nil:
		case m.Upload != 0 && s.uploads[m.Upload] == nil:
			return nil, fmt.Errorf("upload %d: %w", m.Upload, contract.ErrNotFound)
		case m.Hold && m.Notice:
			return nil, s.problem("a notice that is held")
		case len(m.HeaderDigest) != sha256.Size || len(m.BodyDigest) != sha256.Size && !m.Notice:
			return nil, s.problem("put without its digests")
		case m.Replaces != 0 && (replaced == nil || replaced.State != contract.LedgerState_HELD && replaced.Reason == 0):
			return nil, s.problem("put replaces row %d, which is neither HELD nor LEFT", m.Replaces)
		case replaced != nil && replaced.State != contract.LedgerState_HELD && replaced.Reason == contract.LedgerReason_SIZE && (m.Hold || m.Notice):
			return nil, s.problem("put replaces row %d of a mail that was let through with less than a whole one", m.Replaces)
		}
	}
	if octets > contract.MaxPut {
		return nil, s.problem("put of %d octets", octets)
	}
	answer := &contract.PutResponse{}
	for _, m := range r.Mails {
		answer.Results = append(answer.Results, s.put(a, m))
	}
	return answer, nil
}

func (s *Store) put(a *Account, m *contract.PutMail) *contract.PutResult {
	if known := s.answers[string(m.Key)]; known != nil {
		return known
	}
	body := bytes.Clone(m.Body)
	if m.Upload != 0 {
		body = s.uploads[m.Upload].octets
		delete(s.uploads, m.Upload)
	}
	sum := sha256.Sum256(body)
	s.next++
	row := &contract.LedgerRow{
		Id: s.next, State: contract.LedgerState_STORED, Uidl: m.Uidl, Size: m.Size, Sha256: sum[:],
		HeaderDigest: m.HeaderDigest, BodyDigest: m.BodyDigest, First: timestamppb.Now(), Changed: timestamppb.Now(),
	}
	replaced := a.row(m.Replaces)
	if replaced != nil && replaced.State == contract.LedgerState_HELD {
		row.First = replaced.First
	}
	switch {
	case m.Hold:
		row.State, row.Reason, row.Octets = contract.LedgerState_HELD, contract.LedgerReason_SIZE, uint64(len(body))
		if replaced != nil && heldForSize(replaced) {
			row.Versions = slices.Clone(replaced.Versions)
			if held := a.held[replaced.Id]; len(held) >= len(body) {
				body = held
				row.Sha256, row.HeaderDigest, row.BodyDigest, row.Octets = replaced.Sha256, replaced.HeaderDigest, replaced.BodyDigest, replaced.Octets
			}
		}
		row.Versions = append(row.Versions, sum[:])
		a.held[row.Id] = body
	case m.Notice:
		row.State, row.Reason, row.Limit = contract.LedgerState_LEFT, contract.LedgerReason_LARGE, m.Limit
	}
	if !m.Hold {
		a.in = append(a.in, Message{Body: body, Notice: m.Notice})
	}
	delete(a.held, m.Replaces)
	a.rows = append(slices.DeleteFunc(a.rows, func(r *contract.LedgerRow) bool { return r.Id == m.Replaces }), row)
	result := &contract.PutResult{Id: row.Id, Sha256: sum[:]}
	s.answers[string(m.Key)] = result
	return result
}

func (s *Store) MarkLedger(_ context.Context, r *contract.MarkLedgerRequest) (*contract.MarkLedgerResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(r.Account)
	if err != nil {
		return nil, err
	}
	for _, m := range r.Marks {
		if err := s.mark(a, m); err != nil {
			return nil, err
		}
	}
	for _, held := range r.Held {
		s.next++
		row := proto.Clone(held).(*contract.LedgerRow)
		row.Id, row.State, row.Reason = s.next, contract.LedgerState_HELD, contract.LedgerReason_TWIN
		row.First, row.Changed = timestamppb.Now(), timestamppb.Now()
		a.rows = append(a.rows, row)
	}
	return &contract.MarkLedgerResponse{}, nil
}

func (s *Store) mark(a *Account, m *contract.LedgerMark) error {
	r := a.row(m.Id)
	if r == nil {
		return s.problem("mark of row %d, which isn't there", m.Id)
	}
	if !allowed(r, m.State) {
		return s.problem("row %d goes from %v %v to %v", m.Id, r.State, r.Reason, m.State)
	}
	if m.State == contract.LedgerState_LEDGER_UNSPECIFIED {
		a.rows = slices.DeleteFunc(a.rows, func(r *contract.LedgerRow) bool { return r.Id == m.Id })
		return nil
	}
	if heldForSize(r) {
		a.in = append(a.in, Message{Body: a.held[r.Id], Incomplete: m.State != contract.LedgerState_STORED})
		delete(a.held, r.Id)
		r.Octets, r.Versions = 0, nil
	}
	if m.State == contract.LedgerState_STORED || m.State == contract.LedgerState_DELE_SENT {
		r.Reason, r.Accepted = contract.LedgerReason_REASON_UNSPECIFIED, false
	}
	r.State, r.Changed = m.State, timestamppb.Now()
	return nil
}

// allowed tells whether a row may go to a state.
func allowed(r *contract.LedgerRow, to contract.LedgerState) bool {
	if r.State == contract.LedgerState_HELD && !heldForSize(r) {
		return to == contract.LedgerState_LEDGER_UNSPECIFIED
	}
	switch to {
	case contract.LedgerState_STORED:
		return r.Reason == 0 || r.Accepted || heldForSize(r)
	case contract.LedgerState_DELE_SENT:
		return r.Reason == 0 || r.Accepted
	case contract.LedgerState_DELE_ACKED:
		return true
	case contract.LedgerState_LEFT:
		return r.Reason != 0
	case contract.LedgerState_LEDGER_UNSPECIFIED:
		return r.State == contract.LedgerState_LEFT
	}
	return false
}
