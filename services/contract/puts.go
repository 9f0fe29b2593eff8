package contract

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Putter makes the puts of many goroutines in few calls: what comes while calls are under way goes together in the
// next one. Put may be called from many goroutines.
type Putter struct {
	store *Client[FetcherService]

	mu      sync.Mutex
	calls   int // under way
	waiting []*waitingPut
}

// waitingPut is a put on its way. answer and err are there once done is closed.
type waitingPut struct {
	ctx     context.Context
	request *PutRequest
	octets  int

	answer *PutResponse
	err    error
	done   chan struct{}
}

// putCalls is how many calls are under way at once: while the store syncs one it receives the next.
const putCalls = 2

// NewPutter gives one that puts by store.
func NewPutter(store *Client[FetcherService]) *Putter { return &Putter{store: store} }

// Put puts one account's mails, as FetcherService.PutAll says. It is repeated as Call repeats. The error is the
// store's, or ctx's; then the put may still happen.
func (p *Putter) Put(ctx context.Context, q *PutRequest) (*PutResponse, error) {
	w := &waitingPut{ctx: ctx, request: q, octets: proto.Size(q), done: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.start()
	p.mu.Unlock()
	select {
	case <-w.done:
		return w.answer, w.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// start begins a call, unless enough are under way. Called with mu held.
func (p *Putter) start() {
	if p.calls < putCalls && len(p.waiting) > 0 {
		p.calls++
		go p.call()
	}
}

func (p *Putter) call() {
	runtime.Gosched() // those that were answered just now put again
	list := p.take()
	if len(list) > 0 {
		p.put(list)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls--
	p.start()
}

// take gives what goes into one call.
func (p *Putter) take() []*waitingPut {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, octets := 0, 0
	for n < len(p.waiting) && (n == 0 || octets+p.waiting[n].octets <= MaxPut) {
		octets += p.waiting[n].octets
		n++
	}
	list := p.waiting[:n:n]
	p.waiting = p.waiting[n:]
	return list
}

// put makes a call, which goes on as long as anyone waits for it.
func (p *Putter) put(list []*waitingPut) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var here atomic.Int64
	here.Store(int64(len(list)))
	q := &PutAllRequest{}
	for _, w := range list {
		q.Puts = append(q.Puts, w.request)
		defer context.AfterFunc(w.ctx, func() {
			if here.Add(-1) == 0 {
				cancel()
			}
		})()
	}
	answer, err := Call(ctx, p.store, FetcherService.PutAll, q)
	if err == nil && len(answer.Answers) != len(list) {
		err = fmt.Errorf("%d puts: the store answers for %d", len(list), len(answer.Answers))
	}
	for i, w := range list {
		if w.err = err; err == nil {
			w.answer, w.err = answer.Answers[i].Take()
		}
		close(w.done)
	}
}

// AnswerPut gives the form of a put's end in PutAllResponse.
func AnswerPut(answer *PutResponse, err error) *PutAnswer {
	if err == nil {
		return &PutAnswer{Response: answer}
	}
	s := status.Convert(ToStatus(err))
	return &PutAnswer{Code: uint32(s.Code()), Text: s.Message()}
}

// Take gives a put's end: what AnswerPut was given.
func (a *PutAnswer) Take() (*PutResponse, error) {
	if a.Code != 0 {
		return nil, FromStatus(status.Error(codes.Code(a.Code), a.Text))
	}
	return a.Response, nil
}
