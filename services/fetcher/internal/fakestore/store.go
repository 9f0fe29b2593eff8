// Package fakestore is a store for tests of the fetcher: in memory, on a real socket, obeying the contract. It
// counts what was put, refuses transitions that make no sense, and can be told to fail.
package fakestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/settings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Store is the fake. Its fields may be set before Serve, its methods be used at any time.
type Store struct {
	// PutFault is asked before each Put; an error is answered, and nothing stored. It may be nil.
	PutFault func(*contract.PutRequest) error
	// BeginFault is asked before each fetch begins; an error is answered, and nothing noted. It may be nil.
	BeginFault func() error
	// Forget makes every upload unknown at its end, as a restart of the store does.
	Forget bool

	mu            sync.Mutex
	settings      string
	accounts      map[string]*Account
	next          uint64 // id of rows, uploads and verifications
	revision      uint64 // of accounts
	answers       map[string]*contract.PutResult
	uploads       map[uint64]*upload
	waiting       []*contract.TakeVerificationResponse
	verifications map[uint64]chan *contract.AnswerVerificationRequest
	conditions    map[[2]string]string
	watchers      map[contract.Topic][]chan struct{}
	fetches       []*contract.EndFetchRequest
	problems      []string
}

// SetPutFault sets PutFault while the store is in use.
func (s *Store) SetPutFault(fault func(*contract.PutRequest) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.PutFault = fault
}

// Account is an account and all that the store holds for it.
type Account struct {
	fetch    *contract.FetchAccount
	login    *contract.BeginFetchResponse
	revision uint64
	rows     []*contract.LedgerRow
	in       []Message
	held     map[uint64][]byte // what is held for its size, by row
}

// Message is what entered the In Queue.
type Message struct {
	Body               []byte
	Incomplete, Notice bool
}

type upload struct{ octets []byte }

// New makes a store with default settings and no account.
func New() *Store {
	return &Store{
		settings: string(settings.Default().Encode()), next: 100,
		accounts: map[string]*Account{}, answers: map[string]*contract.PutResult{}, uploads: map[uint64]*upload{},
		verifications: map[uint64]chan *contract.AnswerVerificationRequest{},
		conditions:    map[[2]string]string{}, watchers: map[contract.Topic][]chan struct{}{},
	}
}

// Serve serves on a socket in a folder of the test's, and gives a client of it.
func (s *Store) Serve(t testing.TB) *contract.Client[contract.FetcherService] {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fetcher.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := contract.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	contract.RegisterFetcherService(server, s)
	contract.RegisterCommonService(server, s)
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(context.Background(), listener) })
	client := contract.NewClient(path, contract.NewFetcherClient)
	t.Cleanup(func() {
		client.Close()
		server.Close()
		serving.Wait()
		for _, problem := range s.problems {
			t.Error("store:", problem)
		}
	})
	return client
}

// AddAccount makes an account known; its id is the SHA-256 of its name, cut.
func (s *Store) AddAccount(name, login, host, password string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256([]byte(name))
	id := sum[:16]
	s.accounts[string(id)] = &Account{
		fetch: &contract.FetchAccount{Id: id, Name: name, Host: host},
		login: &contract.BeginFetchResponse{Login: login, Host: host, Password: password},
		held:  map[uint64][]byte{},
	}
	s.changed(s.accounts[string(id)])
	return id
}

// Change changes what the store says of an account.
func (s *Store) Change(id []byte, change func(*contract.FetchAccount)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[string(id)]
	change(a.fetch)
	s.changed(a)
}

// Poll is a client's poll that ends now.
func (s *Store) Poll(id []byte) {
	s.Change(id, func(a *contract.FetchAccount) { a.LastPoll, a.Wanted = timestamppb.Now(), true })
}

// SetSettings puts settings in force.
func (s *Store) SetSettings(toml string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = toml
	s.look(contract.Topic_TOPIC_SETTINGS)
}

// AddRow adds a row to the ledger of an account, and the body of a mail that it holds for its size; its id is given.
func (s *Store) AddRow(id []byte, row *contract.LedgerRow, held []byte) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	row.Id = s.next
	if row.First == nil {
		row.First = timestamppb.Now()
	}
	if row.Changed == nil {
		row.Changed = row.First
	}
	a := s.accounts[string(id)]
	a.rows = append(a.rows, row)
	if held != nil {
		a.held[row.Id] = held
	}
	return row.Id
}

// Age makes an account's rows older.
func (s *Store) Age(id []byte, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.accounts[string(id)].rows {
		r.First, r.Changed = timestamppb.New(r.First.AsTime().Add(-by)), timestamppb.New(r.Changed.AsTime().Add(-by))
	}
}

// Accept is the owner's word for all that was let through as incomplete.
func (s *Store) Accept(id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.accounts[string(id)].rows {
		r.Accepted = r.Accepted || r.State == contract.LedgerState_LEFT && r.Reason == contract.LedgerReason_SIZE
	}
}

// Rows gives the ledger of an account.
func (s *Store) Rows(id []byte) []*contract.LedgerRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []*contract.LedgerRow
	for _, r := range s.accounts[string(id)].rows {
		rows = append(rows, proto.Clone(r).(*contract.LedgerRow))
	}
	return rows
}

// Messages gives what entered the In Queue of an account, in order.
func (s *Store) Messages(id []byte) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accounts[string(id)].in)
}

// Bodies gives the bodies of these.
func (s *Store) Bodies(id []byte) [][]byte {
	var bodies [][]byte
	for _, m := range s.Messages(id) {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// Has tells whether the ledger of an account says that a mail of these bytes is stored, or one that differs in the fields
// alone that providers change.
func (s *Store) Has(id []byte, body []byte) bool {
	sum, digests := sha256.Sum256(body), Digests(body)
	return slices.ContainsFunc(s.Rows(id), func(r *contract.LedgerRow) bool {
		same := bytes.Equal(r.Sha256, sum[:]) || bytes.Equal(r.HeaderDigest, digests.Header[:]) && bytes.Equal(r.BodyDigest, digests.Body[:])
		return same && r.State != contract.LedgerState_HELD && r.Reason == 0
	})
}

// Digests gives a mail's header digest and that of the rest.
func Digests(body []byte) (d struct{ Header, Body mail.Digest }) {
	rest := sha256.New()
	h := mail.HeaderHasher{Rest: rest}
	h.Write(body)
	d.Header = h.Sum()
	rest.Sum(d.Body[:0])
	return d
}

// Fetches gives the ends of all fetches.
func (s *Store) Fetches() []*contract.EndFetchRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fetches)
}

// Condition gives the text of a condition; empty: it isn't set.
func (s *Store) Condition(name, subject string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conditions[[2]string{name, subject}]
}

// Verify lets a login be verified and gives the answer.
func (s *Store) Verify(ctx context.Context, login, host string, port uint32, password string) *contract.AnswerVerificationRequest {
	s.mu.Lock()
	s.next++
	id, answer := s.next, make(chan *contract.AnswerVerificationRequest, 1)
	s.verifications[id] = answer
	s.waiting = append(s.waiting, &contract.TakeVerificationResponse{Id: id, Login: login, Host: host, Port: port, Password: password})
	s.look(contract.Topic_TOPIC_VERIFICATIONS)
	s.mu.Unlock()
	select {
	case a := <-answer:
		return a
	case <-ctx.Done():
		return nil
	}
}

// Await waits until done holds, looking again whenever the topic changes.
func (s *Store) Await(ctx context.Context, topic contract.Topic, done func() bool) error {
	look := s.watch(topic)
	for !done() {
		select {
		case <-look:
		case <-ctx.Done():
			return fmt.Errorf("awaited in vain: %w", ctx.Err())
		}
	}
	return nil
}

func (s *Store) watch(topic contract.Topic) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	look := make(chan struct{}, 1)
	look <- struct{}{}
	s.watchers[topic] = append(s.watchers[topic], look)
	return look
}

// look and the others below are called with mu held.
func (s *Store) look(topic contract.Topic) {
	for _, w := range s.watchers[topic] {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (s *Store) changed(a *Account) {
	s.revision++
	a.revision = s.revision
	s.look(contract.Topic_TOPIC_ACCOUNTS)
}

func (s *Store) problem(format string, args ...any) error {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
	return fmt.Errorf(format+": %w", append(args, contract.ErrInvalid)...)
}

func (s *Store) account(id []byte) (*Account, error) {
	if a := s.accounts[string(id)]; a != nil && !a.fetch.Removed {
		return a, nil
	}
	return nil, fmt.Errorf("account %x: %w", id, contract.ErrNotFound)
}

func cursor(revision uint64) []byte { return binary.BigEndian.AppendUint64(nil, revision) }
