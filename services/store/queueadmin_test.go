package store

import (
	"errors"
	"fmt"
	"testing"

	"postroom/services/contract"
)

func (b *box) change(id uint64, change contract.ChangeQueuedRequest_Change) uint64 {
	b.t.Helper()
	answer, err := admin{b.Store}.ChangeQueued(b.t.Context(), &contract.ChangeQueuedRequest{Id: id, Change: change})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.Recipients
}

// What the owner wants of a recipient that is being tried happens when that has ended, unless it got the mail.
func TestChangeWhileSending(t *testing.T) {
	t.Parallel()
	const (
		retry, hold, free  = contract.ChangeQueuedRequest_RETRY, contract.ChangeQueuedRequest_HOLD, contract.ChangeQueuedRequest_RELEASE
		drop, silent       = contract.ChangeQueuedRequest_DROP, contract.ChangeQueuedRequest_DROP_SILENT
		wait, ok, failure  = contract.RecipientState_WAITING, contract.RecipientState_DELIVERED, contract.RecipientState_FAILED
		held, droppedState = contract.RecipientState_ON_HOLD, contract.RecipientState_DROPPED
	)
	b := newBox(t)
	r := b.runner(1)
	for _, c := range []struct {
		want []contract.ChangeQueuedRequest_Change
		end  contract.RecipientState
		then contract.RecipientState
	}{
		{[]contract.ChangeQueuedRequest_Change{hold}, wait, held},
		{[]contract.ChangeQueuedRequest_Change{hold, free}, wait, wait},
		{[]contract.ChangeQueuedRequest_Change{drop}, wait, droppedState},
		{[]contract.ChangeQueuedRequest_Change{silent}, wait, failure},
		{[]contract.ChangeQueuedRequest_Change{drop, hold}, wait, held},
		{[]contract.ChangeQueuedRequest_Change{drop}, ok, ok},
		{[]contract.ChangeQueuedRequest_Change{drop}, failure, failure},
		{[]contract.ChangeQueuedRequest_Change{retry, free}, wait, wait},
	} {
		id := b.submitted(sendMail("me@example.org", "you@example.net", "keeps@example.net"))
		r.begin(id, 0)
		for _, change := range c.want {
			if _, err := (admin{b.Store}).ChangeQueued(t.Context(), &contract.ChangeQueuedRequest{Id: id, Change: change, Recipient: "you@example.net"}); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.queuedMail(id).Recipients[0].State; got != contract.RecipientState_SENDING {
			t.Errorf("%v: %v at once", c.want, got)
		}
		r.end(id, result(0, c.end))
		if got := b.queuedMail(id).Recipients[0].State; got != c.then {
			t.Errorf("%v, then %v: got %v, want %v", c.want, c.end, got, c.then)
		}
	}
	// A runner that dies leaves the wish.
	b.runners.grace = 0
	id := b.submitted(sendMail("me@example.org", "you@example.net"))
	r.begin(id, 0)
	b.change(id, hold)
	r.die()
	if got := b.queuedMail(id).Recipients[0]; got.State != held || !got.Doubt {
		t.Errorf("of a runner that died: %v", got)
	}
}

// A drop is told by the runner, and the row stays until it was.
func TestDropIsTold(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.submitted(sendMail("me@example.org", "you@example.net"))
	if b.change(id, contract.ChangeQueuedRequest_DROP) != 1 || b.change(id, contract.ChangeQueuedRequest_DROP) != 0 {
		t.Error("a drop that is repeated counts")
	}
	r := b.runner(1)
	if _, err := r.tryBegin(id, 0); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("what is dropped is begun: %v", err)
	}
	r.begin(id)
	notice := sendMail("", "me@example.org")
	notice.Client = ""
	done := result(0, contract.RecipientState_FAILED)
	done.Untried = true
	r.endWith(id, []*contract.SubmitMail{notice}, done)
	if b.queuedMail(id) != nil || b.queued() != 1 {
		t.Errorf("%d in the queue, want the notice alone", b.queued())
	}
	if answer, err := (admin{b.Store}).ListCounters(t.Context(), nil); err != nil || len(answer.Counters) != 0 {
		t.Errorf("what was never tried is counted: %v, %v", answer, err)
	}
}

func TestRetryAll(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.runner(1)
	for i := range changedAtOnce + 10 {
		id := b.submitted(sendMail("me@example.org", fmt.Sprintf("r%d@example.net", i)))
		if i%2 == 0 {
			r.begin(id, 0)
			later := result(0, contract.RecipientState_WAITING)
			later.NextTry = timeOf(b.now().UnixNano() + 1e15)
			r.end(id, later)
		}
	}
	if got := b.change(0, contract.ChangeQueuedRequest_RETRY); got != (changedAtOnce+10)/2 {
		t.Errorf("%d are to be tried now", got)
	}
	for _, change := range []contract.ChangeQueuedRequest_Change{contract.ChangeQueuedRequest_DROP, contract.ChangeQueuedRequest_HOLD, 0, 77} {
		if _, err := (admin{b.Store}).ChangeQueued(t.Context(), &contract.ChangeQueuedRequest{Change: change}); !errors.Is(err, contract.ErrInvalid) {
			t.Errorf("%v of all: %v", change, err)
		}
	}
}
