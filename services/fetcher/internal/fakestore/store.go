// Package fakestore is a store for tests of the fetcher: in memory, on a real socket, obeying the contract. It
// counts what was put, refuses transitions that make no sense, and can be told to fail.
package fakestore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"postroom/services/contract"
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
	bodies   [][]byte
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

// AddRow adds a row to the ledger of an account; its id is given.
func (s *Store) AddRow(id []byte, row *contract.LedgerRow) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	row.Id = s.next
	a := s.accounts[string(id)]
	a.rows = append(a.rows, row)
	return row.Id
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

// Bodies gives what was put for an account, in order.
func (s *Store) Bodies(id []byte) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accounts[string(id)].bodies)
}

// Has tells whether the ledger of an account has a mail of these bytes that is stored, or was.
func (s *Store) Has(id []byte, sum [32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.accounts[string(id)].rows {
		if r.State != contract.LedgerState_HELD && string(r.Sha256) == string(sum[:]) {
			return true
		}
	}
	return false
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
