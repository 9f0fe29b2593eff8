package contract

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Putter makes puts of many goroutines in few calls: those that come while calls are under way go together in the
// next. Its method may be used from many goroutines.
type Putter struct {
	store *Client[FetcherService]

	mu      sync.Mutex
	calls   int // under way
	waiting []*waitingPut
}

type waitingPut struct {
	ctx     context.Context
	request *PutRequest
	octets  int
	answer  *PutResponse
	err     error
	done    chan struct{}
}

// putCalls is how many calls are under way at once: while the store syncs one it receives the next.
const putCalls = 2

// NewPutter gives one that puts by store.
func NewPutter(store *Client[FetcherService]) *Putter { return &Putter{store: store} }

// Put is FetcherService.PutAll for one put. The error is the store's, or ctx's; a put whose ctx has ended may still
// happen.
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
	if p.calls == putCalls || len(p.waiting) == 0 {
		return
	}
	p.calls++
	go p.call()
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

func (p *Putter) call() {
	runtime.Gosched() // others may be about to put as well
	list := p.take()
	q := &PutAllRequest{}
	for _, w := range list {
		q.Puts = append(q.Puts, w.request)
	}
	answer, err := Call(context.Background(), p.store, FetcherService.PutAll, q)
	if err == nil && len(answer.Answers) != len(list) {
		err = fmt.Errorf("%d puts: the store answers for %d", len(list), len(answer.Answers))
	}
	p.mu.Lock()
	p.calls--
	p.start()
	p.mu.Unlock()
	for i, w := range list {
		if w.err = err; err == nil {
			w.answer, w.err = answer.Answers[i].take()
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

func (a *PutAnswer) take() (*PutResponse, error) {
	if a.Code != 0 {
		return nil, FromStatus(status.Error(codes.Code(a.Code), a.Text))
	}
	return a.Response, nil
}
