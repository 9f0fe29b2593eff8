package contract

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// fakePuts answers puts: with the first octet of the account as id, and those of account 0 by an error of their own.
type fakePuts struct {
	FetcherService
	calls   atomic.Int32
	entered chan struct{} // a word for each call
	goOn    chan struct{} // closed: calls are answered
}

func (f *fakePuts) PutAll(ctx context.Context, q *PutAllRequest) (*PutAllResponse, error) {
	f.calls.Add(1)
	f.entered <- struct{}{}
	select {
	case <-f.goOn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	answer := &PutAllResponse{}
	for _, p := range q.Puts {
		if id := p.Account[0]; id == 0 {
			answer.Answers = append(answer.Answers, AnswerPut(nil, fmt.Errorf("account %d: %w", id, ErrNotFound)))
		} else {
			answer.Answers = append(answer.Answers, AnswerPut(&PutResponse{Results: []*PutResult{{Id: uint64(id)}}}, nil))
		}
	}
	return answer, nil
}

func servePuts(t *testing.T) (*fakePuts, *Putter) {
	t.Helper()
	path := socket(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServer()
	if err != nil {
		t.Fatal(err)
	}
	f := &fakePuts{entered: make(chan struct{}, 100), goOn: make(chan struct{})} // more calls than any test makes
	RegisterFetcherService(server, f)
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(context.Background(), l) }) // ends with Close
	client := NewClient(path, NewFetcherClient)
	t.Cleanup(func() {
		client.Close()
		server.Close()
		serving.Wait()
	})
	return f, NewPutter(client)
}

func TestPutsGoTogether(t *testing.T) {
	t.Parallel()
	f, p := servePuts(t)
	var puts sync.WaitGroup
	put := func(account byte) {
		puts.Go(func() {
			answer, err := p.Put(t.Context(), &PutRequest{Account: []byte{account}})
			switch {
			case account == 0 && (answer != nil || !errors.Is(err, ErrNotFound)):
				t.Errorf("account 0 got %v, %v; want what the store says of it", answer, err)
			case account > 0 && (err != nil || answer.Results[0].Id != uint64(account)):
				t.Errorf("account %d got %v, %v", account, answer, err)
			}
		})
	}
	for account := range byte(callsTogether) { // so many are under way
		put(account)
		<-f.entered
	}
	for account := range byte(50) {
		put(account)
	}
	for waiting := 0; waiting < 50; {
		runtime.Gosched()
		p.mu.Lock()
		waiting = len(p.waiting)
		p.mu.Unlock()
	}
	close(f.goOn)
	puts.Wait()
	if calls := f.calls.Load(); calls < callsTogether+1 || calls > 2*callsTogether {
		t.Errorf("%d calls for %d puts, want at most %d", calls, 50+callsTogether, 2*callsTogether)
	}
}

// A caller that gives up leaves the others' puts alone, and the last one that does ends the call.
func TestPutIsGivenUp(t *testing.T) {
	t.Parallel()
	f, p := servePuts(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := p.Put(ctx, &PutRequest{Account: []byte{1}})
		done <- err
	}()
	<-f.entered
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	close(f.goOn)
	answer, err := p.Put(t.Context(), &PutRequest{Account: []byte{2}})
	if err != nil || answer.Results[0].Id != 2 {
		t.Errorf("the next put: %v, %v", answer, err)
	}
}

// Puts that are more than one call may carry go in several.
func TestPutsOfManyOctets(t *testing.T) {
	t.Parallel()
	_, p := servePuts(t)
	for range 5 {
		p.waiting = append(p.waiting, &waiting[*PutRequest, *PutResponse]{octets: MaxPut/2 - 1})
	}
	p.waiting = append(p.waiting, &waiting[*PutRequest, *PutResponse]{octets: 2 * MaxPut})
	var taken []int
	for len(p.waiting) > 0 {
		taken = append(taken, len(p.take()))
	}
	if fmt.Sprint(taken) != "[2 2 1 1]" {
		t.Errorf("taken %v", taken)
	}
}
