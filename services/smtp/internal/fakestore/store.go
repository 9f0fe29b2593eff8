// Package fakestore is the store's side of the Transport Queue for tests, in memory, as services/store has it.
package fakestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Store holds a queue. Use New.
type Store struct {
	Folder *os.Root // of the segment

	mu         sync.Mutex
	segment    *os.File
	at         int64
	revision   uint64
	changed    map[uint64]uint64 // mail → revision
	mails      map[uint64]*contract.Transport
	Users      map[string]string                     // address → account; "": a user without one
	Data       map[string]*contract.GetLoginResponse // "account " and its id, or a name
	Senders    map[string]*contract.LookUpSenderResponse
	local      map[string][]uint64 // account → mails
	Done       map[uint64]*contract.Transport
	damages    []uint64
	refusals   []*contract.RefuseLoginRequest
	begun, end int
	looks      map[chan struct{}]bool
	logins     map[chan struct{}]bool
	fail       func(call string) error
}

var table = crc32.MakeTable(crc32.Castagnoli)

// New makes an empty one.
func New(t testing.TB) *Store {
	t.Helper()
	folder := t.TempDir()
	file, err := os.Create(filepath.Join(folder, "00000001.seg"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close(); root.Close() })
	return &Store{
		Folder: root, segment: file, changed: map[uint64]uint64{}, mails: map[uint64]*contract.Transport{}, Users: map[string]string{},
		Data: map[string]*contract.GetLoginResponse{}, Senders: map[string]*contract.LookUpSenderResponse{}, local: map[string][]uint64{},
		Done: map[uint64]*contract.Transport{}, looks: map[chan struct{}]bool{}, logins: map[chan struct{}]bool{},
	}
}

// Fail has calls fail.
func (s *Store) Fail(f func(call string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Add takes a mail; owner is an account, or empty.
func (s *Store) Add(owner, client, sender, text string, recipients ...string) uint64 {
	m := &contract.Transport{Sender: sender, Owner: []byte(owner), Client: client}
	for _, address := range recipients {
		m.Recipients = append(m.Recipients, &contract.TransportRecipient{Address: address})
	}
	return s.AddMail(m, text)
}

// AddMail is Add with all of the envelope.
func (s *Store) AddMail(m *contract.Transport, text string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(m, text)
}

func (s *Store) add(m *contract.Transport, text string) uint64 {
	if _, err := s.segment.WriteAt([]byte(text), s.at); err != nil {
		panic(err)
	}
	m.Body = &contract.Body{Segment: 1, Offset: uint64(s.at), Length: uint64(len(text)), Crc32C: crc32.Checksum([]byte(text), table)}
	s.at += int64(len(text))
	m.Id = s.revision + 1
	m.Received = timestamppb.Now()
	for _, r := range m.Recipients {
		if r.State == 0 {
			r.State, r.NextTry = contract.RecipientState_WAITING, timestamppb.Now()
		}
	}
	s.mails[m.Id] = m
	s.touch(m.Id)
	return m.Id
}

func (s *Store) touch(id uint64) {
	s.revision++
	s.changed[id] = s.revision
	again(s.looks)
}

func again(looks map[chan struct{}]bool) {
	for look := range looks {
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

// Change changes a mail as the owner may.
func (s *Store) Change(id uint64, change func(*contract.Transport)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.mails[id])
	s.touch(id)
}

// SetLogin gives login data, as if it had changed.
func (s *Store) SetLogin(key, user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Data[key] = &contract.GetLoginResponse{User: user, Password: password}
	again(s.logins)
}

// RemoveLogin takes login data away.
func (s *Store) RemoveLogin(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.Data, key)
	again(s.logins)
}

// Mail gives a mail as it stands, whether it's done or not.
func (s *Store) Mail(id uint64) *contract.Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mails[id]
	if m == nil {
		m = s.Done[id]
	}
	return proto.Clone(m).(*contract.Transport)
}

// Left gives how many mails are in the queue.
func (s *Store) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

// Notices gives the bodies of the box's own mails, those that are done too, in their order.
func (s *Store) Notices() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []uint64
	for _, all := range []map[uint64]*contract.Transport{s.mails, s.Done} {
		for id, m := range all {
			if m.Client == "" {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		m := s.mails[id]
		if m == nil {
			m = s.Done[id]
		}
		text := make([]byte, m.Body.Length)
		if _, err := s.segment.ReadAt(text, int64(m.Body.Offset)); err != nil {
			panic(err)
		}
		list = append(list, m.Recipients[0].Address+"\n"+string(text))
	}
	return list
}

// Local gives the mails that went into the In Queue of an account.
func (s *Store) Local(account string) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.local[account])
}

// Calls gives how many deliveries began and ended.
func (s *Store) Calls() (begun, end int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun, s.end
}

// Damages gives the mails that were reported as damaged, as often as they were.
func (s *Store) Damages() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.damages)
}

// Refusals gives the logins that were refused.
func (s *Store) Refusals() []*contract.RefuseLoginRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refusals)
}

// Damage turns a bit of a mail's body; the second time it heals it.
func (s *Store) Damage(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, 1)
	at := int64(s.mails[id].Body.Offset)
	s.segment.ReadAt(b, at)
	b[0] ^= 1
	s.segment.WriteAt(b, at)
}

func (s *Store) watch(ctx context.Context, of map[chan struct{}]bool) <-chan struct{} {
	look := make(chan struct{}, 1)
	look <- struct{}{}
	s.mu.Lock()
	of[look] = true
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(of, look)
	})
	return look
}

func (s *Store) Deliver(ctx context.Context, _ uint64) <-chan struct{} { return s.watch(ctx, s.looks) }
func (s *Store) Logins(ctx context.Context) <-chan struct{}            { return s.watch(ctx, s.logins) }

// call locks, and gives the error that is wanted.
func (s *Store) call(name string) error {
	s.mu.Lock()
	if s.fail != nil {
		return s.fail(name)
	}
	return nil
}

const perCall = 1000

func (s *Store) ListTransport(_ context.Context, q *contract.ListTransportRequest) (*contract.ListTransportResponse, error) {
	err := s.call("ListTransport")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	since := uint64(0)
	if len(q.Cursor) == 8 {
		since = binary.BigEndian.Uint64(q.Cursor)
	}
	type change struct{ id, revision uint64 }
	var list []change
	for id, revision := range s.changed {
		if revision > since {
			list = append(list, change{id, revision})
		}
	}
	slices.SortFunc(list, func(a, b change) int { return int(a.revision) - int(b.revision) })
	answer := &contract.ListTransportResponse{}
	if answer.More = len(list) > perCall; answer.More {
		list = list[:perCall]
	}
	for _, c := range list {
		since = c.revision
		m := s.mails[c.id]
		if m == nil {
			answer.Entries = append(answer.Entries, &contract.TransportEntry{Id: c.id, Gone: true})
			continue
		}
		e := &contract.TransportEntry{Id: c.id, Sender: m.Sender, Owner: m.Owner}
		if _, host, ok := strings.Cut(string(m.Owner), "!"); ok {
			e.OwnerHost = host // an account is its name and its host, with a ! between
		}
		for i, r := range m.Recipients {
			if !done(r) {
				e.Recipients = append(e.Recipients, &contract.TransportEntryRecipient{Index: uint32(i), Address: r.Address, State: r.State, NextTry: r.NextTry})
			}
		}
		answer.Entries = append(answer.Entries, e)
	}
	answer.Cursor = binary.BigEndian.AppendUint64(nil, since)
	return answer, nil
}

func done(r *contract.TransportRecipient) bool {
	return r.State == contract.RecipientState_DELIVERED || r.State == contract.RecipientState_FAILED
}

func (s *Store) BeginDelivery(_ context.Context, q *contract.BeginDeliveryRequest) (*contract.BeginDeliveryResponse, error) {
	err := s.call("BeginDelivery")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	m := s.mails[q.Id]
	if m == nil {
		return nil, fmt.Errorf("%w: mail %d", contract.ErrNotFound, q.Id)
	}
	for _, i := range q.Recipients {
		if m.Recipients[i].State != contract.RecipientState_WAITING {
			return nil, fmt.Errorf("%w: recipient %d of mail %d is %v", contract.ErrConflict, i, q.Id, m.Recipients[i].State)
		}
	}
	for _, i := range q.Recipients {
		m.Recipients[i].State = contract.RecipientState_SENDING
	}
	if len(q.Recipients) > 0 {
		s.begun++
		s.touch(q.Id)
	}
	return &contract.BeginDeliveryResponse{Mail: proto.Clone(m).(*contract.Transport)}, nil
}

func (s *Store) EndDelivery(_ context.Context, q *contract.EndDeliveryRequest) (*contract.EndDeliveryResponse, error) {
	err := s.call("EndDelivery")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	m := s.mails[q.Id]
	if m == nil {
		return &contract.EndDeliveryResponse{}, nil
	}
	octets := 0
	for _, n := range q.Notices {
		octets += len(n.Body)
	}
	if octets > contract.MaxPut {
		return nil, fmt.Errorf("%w: %d octets of notices", contract.ErrInvalid, octets)
	}
	s.end++
	for _, r := range q.Results {
		one := m.Recipients[r.Index]
		if one.State == contract.RecipientState_SENDING && !r.Untried {
			one.Tries++
		}
		one.State, one.Text, one.Rule, one.Destination = r.State, r.Text, r.Rule, r.Destination
		if one.NextTry = r.NextTry; r.NextTry == nil {
			one.NextTry = timestamppb.Now()
		}
		one.DelayTold, one.Doubt = one.DelayTold || r.DelayTold, one.Doubt || r.Doubt
		if len(r.Local) > 0 {
			s.local[string(r.Local)] = append(s.local[string(r.Local)], q.Id)
		}
	}
	for _, n := range q.Notices {
		s.notice(n)
	}
	if !slices.ContainsFunc(m.Recipients, func(r *contract.TransportRecipient) bool { return !done(r) }) {
		delete(s.mails, q.Id)
		s.Done[q.Id] = m
	}
	if len(q.Results) > 0 {
		s.touch(q.Id)
	}
	return &contract.EndDeliveryResponse{}, nil
}

func (s *Store) notice(n *contract.SubmitMail) {
	own := &contract.Transport{Sender: n.Sender, Owner: n.Account}
	for _, r := range n.Recipients {
		own.Recipients = append(own.Recipients, &contract.TransportRecipient{Address: r.Address})
	}
	s.add(own, string(n.Body))
}

func (s *Store) GetLogin(_ context.Context, q *contract.GetLoginRequest) (*contract.GetLoginResponse, error) {
	err := s.call("GetLogin")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	key := q.Name
	if q.Mail != 0 {
		m := s.mails[q.Mail]
		if m == nil || len(m.Owner) == 0 {
			return nil, contract.ErrForbidden
		}
		key = "account " + string(m.Owner)
	}
	login := s.Data[key]
	switch {
	case login == nil:
		return nil, fmt.Errorf("%w: no login %q", contract.ErrNotFound, key)
	case login.Refused:
		return &contract.GetLoginResponse{User: login.User, Refused: true, Text: login.Text}, nil
	}
	return proto.Clone(login).(*contract.GetLoginResponse), nil
}

func (s *Store) RefuseLogin(_ context.Context, q *contract.RefuseLoginRequest) (*contract.RefuseLoginResponse, error) {
	err := s.call("RefuseLogin")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	key := q.Name
	if len(q.Account) > 0 {
		key = "account " + string(q.Account)
	}
	login := s.Data[key]
	if login == nil || login.Refused || login.User != q.User || login.Password != q.Password {
		return &contract.RefuseLoginResponse{}, nil
	}
	login.Refused, login.Text = true, q.Text
	s.refusals = append(s.refusals, q)
	if q.Notice != nil {
		s.notice(q.Notice)
	}
	again(s.logins)
	return &contract.RefuseLoginResponse{}, nil
}

func (s *Store) LookUpSender(_ context.Context, q *contract.LookUpSenderRequest) (*contract.LookUpSenderResponse, error) {
	err := s.call("LookUpSender")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if answer := s.Senders[q.Address]; answer != nil {
		return answer, nil
	}
	return &contract.LookUpSenderResponse{}, nil
}

func (s *Store) LookUpRecipient(_ context.Context, q *contract.LookUpRecipientRequest) (*contract.LookUpRecipientResponse, error) {
	err := s.call("LookUpRecipient")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	account, ok := s.Users[strings.ToLower(q.Address)]
	if !ok {
		return &contract.LookUpRecipientResponse{}, nil
	}
	return &contract.LookUpRecipientResponse{User: "user", Account: []byte(account)}, nil
}

func (s *Store) ReportDamage(_ context.Context, q *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error) {
	err := s.call("ReportDamage")
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.damages = append(s.damages, q.Id)
	return &contract.ReportDamageResponse{}, nil
}

// Tried says that nothing is left that a runner could do now.
func (s *Store) Tried() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mails {
		for _, r := range m.Recipients {
			if r.State == contract.RecipientState_SENDING || r.State == contract.RecipientState_WAITING && time.Until(r.NextTry.AsTime()) <= 0 {
				return false
			}
		}
	}
	return true
}

// Until waits for a moment when ok holds.
func (s *Store) Until(ctx context.Context, ok func() bool) bool {
	look := s.watch(ctx, s.looks)
	for !ok() {
		select {
		case <-look:
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return true
}
