package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/mail"
)

// retake is how long a fetcher has for a verification before it is offered again: the fetcher may have died.
const retake = 40 * time.Second

// broker carries logins that wait to be verified to the fetcher, and its answers back. Nothing of it is stored.
type broker struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]*verification
}

type verification struct {
	name     mail.Name
	known    bool // it's an account's
	password string
	taken    time.Time // zero: not yet
	answer   chan verified
}

// verified is what the provider said of a login.
type verified struct {
	outcome contract.Verified
	text    string
}

func (b *broker) start() { b.waiting = make(map[uint64]*verification) }

// verifyLogin has the fetcher log in at the provider, and waits for what it says until ctx ends.
func (s *Store) verifyLogin(ctx context.Context, name mail.Name, known bool, password string) verified {
	v := &verification{name: name, known: known, password: password, answer: make(chan verified, 1)}
	b := &s.verify
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = v
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiting, id)
	}()
	s.look.again(contract.Topic_TOPIC_VERIFICATIONS)
	again := time.NewTicker(retake)
	defer again.Stop()
	for {
		select {
		case answer := <-v.answer:
			return answer
		case <-again.C:
			s.look.again(contract.Topic_TOPIC_VERIFICATIONS)
		case <-ctx.Done():
			return verified{contract.Verified_VERIFIED_UNKNOWN, "the provider did not answer in time"}
		}
	}
}

func (f fetcher) TakeVerification(context.Context, *contract.TakeVerificationRequest) (*contract.TakeVerificationResponse, error) {
	b := &f.verify
	b.mu.Lock()
	defer b.mu.Unlock()
	first := uint64(0)
	for id, v := range b.waiting {
		if f.now().Sub(v.taken) > retake && (first == 0 || id < first) {
			first = id
		}
	}
	if first == 0 {
		return &contract.TakeVerificationResponse{None: true}, nil
	}
	v := b.waiting[first]
	v.taken = f.now()
	return &contract.TakeVerificationResponse{
		Id: first, Login: v.name.Login, Host: v.name.Host, Port: uint32(v.name.Port), Password: v.password, Known: v.known,
	}, nil
}

func (f fetcher) AnswerVerification(_ context.Context, q *contract.AnswerVerificationRequest) (*contract.AnswerVerificationResponse, error) {
	if _, ok := contract.Verified_name[int32(q.Verified)]; !ok || q.Verified == contract.Verified_VERIFIED_UNSPECIFIED {
		return nil, fmt.Errorf("%w: verified %v", contract.ErrInvalid, q.Verified)
	}
	b := &f.verify
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.waiting[q.Id]; v != nil { // else its caller gave up
		delete(b.waiting, q.Id)
		v.answer <- verified{q.Verified, q.Text}
	}
	return &contract.AnswerVerificationResponse{}, nil
}
