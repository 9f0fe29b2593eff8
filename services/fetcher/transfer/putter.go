package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"
)

const (
	maxBatch = 200 // mails in one call

	// How a put that the store could not make durable is repeated.
	putPause    = 200 * time.Millisecond
	putPatience = time.Minute
)

// put is a mail on its way to the store.
type put struct {
	mail     *contract.PutMail
	sha      digest
	octets   int64 // in memory
	replaces *row
	hold     bool
	id       uint64 // of its ledger row, once it's stored; read after finish
}

func (p *put) stored() bool { return p.id != 0 }

// first is when its row's mail was there first.
func (p *put) first(now time.Time) time.Time {
	if p.replaces != nil && p.replaces.held() {
		return p.replaces.first
	}
	return now
}

// newPut begins a put with what a listing says.
func newPut(e provider.Entry, replaces *row) *put {
	key := uuid.Must(uuid.NewV7()) // it grows with time; it fails only where the system has no random numbers
	p := &put{replaces: replaces, mail: &contract.PutMail{Key: key[:], Uidl: []byte(e.UIDL), Size: e.Size}}
	if replaces != nil {
		p.mail.Replaces = replaces.id
	}
	return p
}

// put makes a put of what was read.
func (c *content) put(e provider.Entry, replaces *row, hold bool) *put {
	p := newPut(e, replaces)
	p.sha, p.hold, p.mail.Hold, p.mail.HeaderDigest, p.mail.BodyDigest = c.sha, hold, hold, c.head[:], c.rest[:]
	if c.upload != nil {
		p.mail.Upload = c.upload.id
	} else {
		p.mail.Body, p.octets = bytes.Clone(c.body), int64(len(c.body))
	}
	return p
}

// putter puts a session's mails while further ones are retrieved: what came while one put was under way goes into the
// next.
type putter struct {
	puts    *contract.Putter
	account []byte
	budget  *semaphore.Weighted
	done    chan struct{}

	mu    sync.Mutex
	wake  *sync.Cond
	queue []*put
	ended bool
	count int // mails that are stored
	err   error
}

// newPutter starts a putter; finish has to be called.
func newPutter(ctx context.Context, puts *contract.Putter, account []byte, budget *semaphore.Weighted) *putter {
	p := &putter{puts: puts, account: account, budget: budget, done: make(chan struct{})}
	p.wake = sync.NewCond(&p.mu)
	go p.run(ctx)
	return p
}

// add hands over a mail, once the budget has room for it. The error is that of an earlier one.
func (p *putter) add(ctx context.Context, mail *put) error {
	if err := p.budget.Acquire(ctx, mail.octets); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		p.budget.Release(mail.octets)
		return p.err
	}
	p.queue = append(p.queue, mail)
	p.wake.Signal()
	return nil
}

// failed gives the error that ended putting.
func (p *putter) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// finish waits until all that was added is stored or has failed, and says how many are stored.
func (p *putter) finish() (int, error) {
	p.mu.Lock()
	p.ended = true
	p.wake.Signal()
	p.mu.Unlock()
	<-p.done
	return p.count, p.err
}

func (p *putter) run(ctx context.Context) {
	defer close(p.done)
	for {
		batch := p.next()
		if len(batch) == 0 {
			return
		}
		err := p.call(ctx, batch)
		p.mu.Lock()
		for _, mail := range batch {
			p.budget.Release(mail.octets)
			mail.mail = nil
		}
		if err == nil {
			p.count += len(batch)
		} else {
			p.err = err
			for _, mail := range p.queue {
				p.budget.Release(mail.octets)
			}
			p.queue = nil
		}
		p.mu.Unlock()
	}
}

// next waits for mails and gives as many as one put takes. One that was uploaded goes alone: a store that
// forgot it refuses the whole put.
func (p *putter) next() []*put {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.ended {
		p.wake.Wait()
	}
	n, octets := 0, int64(0)
	for n < len(p.queue) && n < maxBatch {
		mail := p.queue[n]
		if n > 0 && (mail.mail.Upload != 0 || octets+mail.octets > contract.MaxPut) {
			break
		}
		n++
		octets += mail.octets
		if mail.mail.Upload != 0 {
			break
		}
	}
	batch := p.queue[:n:n]
	p.queue = p.queue[n:]
	return batch
}

// call puts mails. It's repeated with the same keys where the store could not say that they are durable.
func (p *putter) call(ctx context.Context, batch []*put) error {
	request := &contract.PutRequest{Account: p.account}
	for _, mail := range batch {
		request.Mails = append(request.Mails, mail.mail)
	}
	var answer *contract.PutResponse
	for end := time.Now().Add(putPatience); ; {
		var err error
		answer, err = p.puts.Put(ctx, request)
		if err == nil {
			break
		}
		if !errors.Is(err, contract.ErrUnavailable) || time.Now().After(end) {
			return fmt.Errorf("put %d mails: %w", len(batch), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(putPause):
		}
	}
	if len(answer.Results) != len(batch) {
		return fmt.Errorf("put %d mails: the store answers for %d", len(batch), len(answer.Results))
	}
	for i, result := range answer.Results {
		if !bytes.Equal(result.Sha256, batch[i].sha[:]) {
			return fmt.Errorf("put a mail of SHA-256 %x: the store has %x", batch[i].sha, result.Sha256)
		}
	}
	for i, result := range answer.Results {
		batch[i].id = result.Id
	}
	return nil
}
