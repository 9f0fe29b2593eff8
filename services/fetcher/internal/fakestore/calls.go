package fakestore

import (
	"context"
	"encoding/binary"
	"fmt"

	"postroom/services/contract"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (s *Store) ListAccounts(_ context.Context, r *contract.ListAccountsRequest) (*contract.ListAccountsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := uint64(0)
	if len(r.Cursor) == 8 {
		after = binary.BigEndian.Uint64(r.Cursor)
	}
	answer := &contract.ListAccountsResponse{Cursor: cursor(s.revision)}
	for _, a := range s.accounts {
		if a.revision > after {
			answer.Accounts = append(answer.Accounts, proto.Clone(a.fetch).(*contract.FetchAccount))
		}
	}
	return answer, nil
}

func (s *Store) TakeVerification(context.Context, *contract.TakeVerificationRequest) (*contract.TakeVerificationResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return &contract.TakeVerificationResponse{None: true}, nil
	}
	first := s.waiting[0]
	s.waiting = s.waiting[1:]
	return first, nil
}

func (s *Store) AnswerVerification(_ context.Context, r *contract.AnswerVerificationRequest) (*contract.AnswerVerificationResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.verifications[r.Id]
	if answer == nil {
		return nil, fmt.Errorf("verification %d: %w", r.Id, contract.ErrNotFound)
	}
	delete(s.verifications, r.Id)
	answer <- r
	return &contract.AnswerVerificationResponse{}, nil
}

func (s *Store) BeginFetch(_ context.Context, r *contract.BeginFetchRequest) (*contract.BeginFetchResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(r.Account)
	if err != nil {
		return nil, err
	}
	if s.BeginFault != nil {
		if err := s.BeginFault(); err != nil {
			return nil, err
		}
	}
	a.fetch.LastFetch, a.fetch.Wanted, a.fetch.Asked = timestamppb.Now(), false, false
	s.changed(a)
	answer := proto.Clone(a.login).(*contract.BeginFetchResponse)
	answer.ClockGood = true
	return answer, nil
}

func (s *Store) EndFetch(_ context.Context, r *contract.EndFetchRequest) (*contract.EndFetchResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(r.Account)
	if err != nil {
		return nil, err
	}
	a.fetch.Refused, a.login.Misfits = r.Refused, r.Misfits
	s.fetches = append(s.fetches, r)
	s.changed(a)
	return &contract.EndFetchResponse{}, nil
}

func (s *Store) ListLedger(_ context.Context, r *contract.ListLedgerRequest) (*contract.ListLedgerResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(r.Account)
	if err != nil {
		return nil, err
	}
	answer := &contract.ListLedgerResponse{}
	for _, row := range a.rows {
		if row.Id <= r.After {
			continue
		}
		if len(answer.Rows) == 3 { // small pages, so that paging is tested
			answer.More = true
			break
		}
		answer.Rows = append(answer.Rows, proto.Clone(row).(*contract.LedgerRow))
	}
	return answer, nil
}

func (s *Store) BeginUpload(_ context.Context, r *contract.BeginUploadRequest) (*contract.BeginUploadResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.uploads[s.next] = &upload{}
	return &contract.BeginUploadResponse{Upload: s.next}, nil
}

func (s *Store) AppendUpload(_ context.Context, r *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[r.Upload]
	switch {
	case u == nil, s.Forget && r.Offset > 0:
		return nil, fmt.Errorf("upload %d: %w", r.Upload, contract.ErrNotFound)
	case len(r.Chunk) > contract.MaxPut:
		return nil, s.problem("chunk of %d octets", len(r.Chunk))
	case r.Offset != uint64(len(u.octets)):
		return nil, s.problem("chunk at %d of an upload of %d octets", r.Offset, len(u.octets))
	}
	u.octets = append(u.octets, r.Chunk...)
	return &contract.AppendUploadResponse{}, nil
}

func (s *Store) AbortUpload(_ context.Context, r *contract.AbortUploadRequest) (*contract.AbortUploadResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, r.Upload)
	return &contract.AbortUploadResponse{}, nil
}

func (s *Store) Watch(ctx context.Context, r *contract.WatchRequest, stream contract.Common_WatchServer) error {
	look := s.watch(r.Topic)
	for {
		select {
		case <-look:
			if err := stream.Send(&contract.Look{}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Store) GetSettings(context.Context, *contract.GetSettingsRequest) (*contract.GetSettingsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &contract.GetSettingsResponse{Toml: s.settings}, nil
}

func (s *Store) SetCondition(_ context.Context, r *contract.SetConditionRequest) (*contract.SetConditionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{r.Condition.Name, r.Condition.Subject}
	if delete(s.conditions, key); !r.Clear {
		s.conditions[key] = r.Condition.Text
	}
	s.look(contract.Topic_TOPIC_CONDITIONS)
	return &contract.SetConditionResponse{}, nil
}
