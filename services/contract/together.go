package contract

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"
)

// together makes the requests of many goroutines in few calls: what comes while calls are under way goes together in
// the next one.
type together[Q proto.Message, A any] struct {
	// call makes a call of several requests, and gives the end of each in their order.
	call func(ctx context.Context, list []Q) ([]end[A], error)

	mu      sync.Mutex
	calls   int // under way
	waiting []*waiting[Q, A]
}

// end is what became of a request.
type end[A any] struct {
	answer A
	err    error
}

// waiting is a request on its way. What became of it is there once done is closed.
type waiting[Q proto.Message, A any] struct {
	ctx     context.Context
	request Q
	octets  int

	end  end[A]
	done chan struct{}
}

// callsTogether is how many calls are under way at once: while the store syncs one it receives the next.
const callsTogether = 2

// do makes a request, repeated as Call repeats. The error is the store's, or ctx's; then it may still happen.
func (p *together[Q, A]) do(ctx context.Context, q Q) (A, error) {
	w := &waiting[Q, A]{ctx: ctx, request: q, octets: proto.Size(q), done: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.start()
	p.mu.Unlock()
	select {
	case <-w.done:
		return w.end.answer, w.end.err
	case <-ctx.Done():
		var none A
		return none, context.Cause(ctx)
	}
}

// start begins a call, unless enough are under way. Called with mu held.
func (p *together[Q, A]) start() {
	if p.calls < callsTogether && len(p.waiting) > 0 {
		p.calls++
		go p.next()
	}
}

func (p *together[Q, A]) next() {
	runtime.Gosched() // those that were answered just now ask again
	list := p.take()
	if len(list) > 0 {
		p.send(list)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls--
	p.start()
}

// take gives what goes into one call.
func (p *together[Q, A]) take() []*waiting[Q, A] {
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

// send makes a call, which goes on as long as anyone waits for it.
func (p *together[Q, A]) send(list []*waiting[Q, A]) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var here atomic.Int64
	here.Store(int64(len(list)))
	var requests []Q
	for _, w := range list {
		requests = append(requests, w.request)
		defer context.AfterFunc(w.ctx, func() {
			if here.Add(-1) == 0 {
				cancel()
			}
		})()
	}
	ends, err := p.call(ctx, requests)
	if err == nil && len(ends) != len(list) {
		err = fmt.Errorf("%d requests: the store answers for %d", len(list), len(ends))
	}
	for i, w := range list {
		if w.end.err = err; err == nil {
			w.end = ends[i]
		}
		close(w.done)
	}
}
