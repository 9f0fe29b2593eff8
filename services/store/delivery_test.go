package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/segment"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// lifeLine is a queue runner's.
type lifeLine struct {
	contract.Smtp_DeliverServer
	looks chan struct{}
}

func (l lifeLine) Send(*contract.Look) error {
	select {
	case l.looks <- struct{}{}:
	default:
	}
	return nil
}

// runner is a queue runner that lives until it dies.
type runner struct {
	*box
	id   uint64
	line lifeLine
	die  func()
}

func (b *box) runner(id uint64) *runner {
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{box: b, id: id, line: lifeLine{looks: make(chan struct{}, 1)}}
	done := make(chan struct{})
	store := smtp{b.Store}
	go func() {
		defer close(done)
		_ = store.Deliver(ctx, &contract.DeliverRequest{Runner: id}, r.line) // ends with ctx
	}()
	<-r.line.looks
	r.die = func() { cancel(); <-done }
	b.t.Cleanup(r.die)
	return r
}

func (r *runner) tryBegin(id uint64, recipients ...uint32) (*contract.Transport, error) {
	answer, err := smtp{r.Store}.BeginDelivery(r.t.Context(), &contract.BeginDeliveryRequest{Runner: r.id, Id: id, Recipients: recipients})
	return answer.GetMail(), err
}

func (r *runner) begin(id uint64, recipients ...uint32) *contract.Transport {
	r.t.Helper()
	m, err := r.tryBegin(id, recipients...)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *runner) tryEnd(id uint64, notices []*contract.SubmitMail, results ...*contract.RecipientResult) error {
	_, err := smtp{r.Store}.EndDelivery(r.t.Context(), &contract.EndDeliveryRequest{Runner: r.id, Id: id, Results: results, Notices: notices})
	return err
}

// end says so twice: each call may be repeated.
func (r *runner) end(id uint64, results ...*contract.RecipientResult) {
	r.t.Helper()
	r.endWith(id, nil, results...)
}

func (r *runner) endWith(id uint64, notices []*contract.SubmitMail, results ...*contract.RecipientResult) {
	r.t.Helper()
	for range 2 {
		if err := r.tryEnd(id, notices, results...); err != nil {
			r.t.Fatal(err)
		}
	}
}

func result(index uint32, state contract.RecipientState) *contract.RecipientResult {
	return &contract.RecipientResult{Index: index, State: state, Text: "250 ok", Rule: "MX", Destination: "mx.example.net"}
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.submitted(sendMail("me@example.org", "you@example.net", "she@example.com"))
	r := b.runner(1)
	if m := r.begin(id, 0); m.Recipients[0].State != contract.RecipientState_SENDING || m.Recipients[1].State != contract.RecipientState_WAITING {
		t.Errorf("begun: %v", m.Recipients)
	}
	r.begin(id, 0)
	later := time.Now().Add(time.Hour)
	wait := result(0, contract.RecipientState_WAITING)
	wait.Text, wait.NextTry, wait.DelayTold = "451 later", timestamppb.New(later), true
	r.end(id, wait)
	got := b.queuedMail(id).Recipients[0]
	if got.State != contract.RecipientState_WAITING || got.Tries != 1 || got.Text != "451 later" || !got.DelayTold || got.Rule != "MX" ||
		got.Destination != "mx.example.net" || got.NextTry.AsTime().Unix() != later.Unix() {
		t.Errorf("after a 451, said twice: %v", got)
	}
	r.begin(id, 0, 1)
	r.end(id, result(1, contract.RecipientState_DELIVERED))
	if _, err := b.runner(2).tryBegin(id); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("another runner takes what has one: %v", err)
	}
	r.end(id, result(0, contract.RecipientState_DELIVERED))
	if b.queuedMail(id) != nil || b.queued() != 0 {
		t.Error("all recipients have it, and it is in the queue")
	}
	if _, err := r.tryBegin(id); !errors.Is(err, contract.ErrNotFound) {
		t.Errorf("what is gone is begun: %v", err)
	}
	answer, err := admin{b.Store}.ListCounters(t.Context(), nil)
	if err != nil || len(answer.Counters) != 1 {
		t.Fatalf("counters %v, %v", answer, err)
	}
	if c := answer.Counters[0]; c.Rule != "MX" || c.Destination != "mx.example.net" || c.Delivered != 2 || c.Delayed != 1 || c.Failed != 0 {
		t.Errorf("counter %v", c)
	}
}

// A mail that is only looked at is taken until the runner ends that.
func TestLookedAt(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.submitted(sendMail("me@example.org", "you@example.net"))
	one, two := b.runner(1), b.runner(2)
	one.begin(id)
	if _, err := two.tryBegin(id, 0); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("another begins it: %v", err)
	}
	one.end(id)
	two.begin(id, 0)
	if err := one.tryEnd(id, nil, result(0, contract.RecipientState_FAILED)); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("one ends what another has begun: %v", err)
	}
	if _, err := two.tryBegin(id, 1); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("a recipient that isn't: %v", err)
	}
	two.end(id, result(0, contract.RecipientState_DELIVERED))
}

func TestRunnerWithoutLifeLine(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.submitted(sendMail("me@example.org", "you@example.net"))
	if _, err := (&runner{box: b, id: 7}).tryBegin(id, 0); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

// What a runner that died had begun is tried again, in doubt.
func TestRunnerDies(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.runners.grace = 0
	id := b.submitted(sendMail("me@example.org", "you@example.net", "she@example.net"))
	one := b.runner(1)
	one.begin(id, 0)
	one.die()
	got := b.queuedMail(id).Recipients
	if got[0].State != contract.RecipientState_WAITING || !got[0].Doubt || got[0].Tries != 1 || got[1].Doubt {
		t.Errorf("got %v", got)
	}
	two := b.runner(2)
	two.begin(id, 0, 1)
	two.end(id, result(0, contract.RecipientState_DELIVERED), result(1, contract.RecipientState_DELIVERED))
}

// After a restart of the store a runner goes on with what it had begun; what one had that doesn't come back is in doubt
// when another one comes.
func TestStoreRestartsUnderRunners(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	kept := b.submitted(sendMail("me@example.org", "you@example.net"))
	lost := b.submitted(sendMail("me@example.org", "she@example.net"))
	one, two := b.runner(1), b.runner(2)
	one.begin(kept, 0)
	two.begin(lost, 0)
	close(b.ending) // as run does
	one.die()
	two.die()
	b.reopen("two")
	one = b.runner(1)
	if got := b.queuedMail(lost).Recipients[0]; got.State != contract.RecipientState_SENDING {
		t.Errorf("within the time to come back: %v", got)
	}
	if _, err := one.tryBegin(lost, 0); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("another's, within the time to come back: %v", err)
	}
	b.runners.mu.Lock()
	b.runners.grace = 0
	b.runners.mu.Unlock()
	three := b.runner(3)
	if got := b.queuedMail(lost).Recipients[0]; got.State != contract.RecipientState_WAITING || !got.Doubt {
		t.Errorf("of a runner that didn't come back: %v", got)
	}
	if got := b.queuedMail(kept).Recipients[0]; got.State != contract.RecipientState_SENDING || got.Doubt {
		t.Errorf("of the one that did: %v", got)
	}
	one.end(kept, result(0, contract.RecipientState_DELIVERED))
	three.begin(lost, 0)
	three.end(lost, result(0, contract.RecipientState_DELIVERED))
}

// Mail for a user of the box goes into the In Queue on the same body, in the commit that says so, and out by POP3.
func TestLocalDelivery(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	one, two := b.enrolled("me@gmx.de@pop3.gmx.de"), b.login("you@web.de@pop3.web.de", secret, inside).Account
	m := sendMail("x@example.org", "me+gmx.de@pop3proxy.reddoxx", "you+web.de@pop3proxy.reddoxx", "she@example.net")
	id := b.submitted(m)
	r := b.runner(1)
	r.begin(id, 0, 1, 2)
	local := func(index uint32, account []byte) *contract.RecipientResult {
		return &contract.RecipientResult{Index: index, State: contract.RecipientState_DELIVERED, Rule: "local", Local: account}
	}
	r.end(id, local(0, one))
	b.mustBeSound()
	r.end(id, local(1, two), result(2, contract.RecipientState_FAILED))
	b.mustBeSound()
	if b.queued() != 0 || b.queue(contract.QueueIn) != 2 {
		t.Errorf("%d in the Transport Queue, %d in the In Queue", b.queued(), b.queue(contract.QueueIn))
	}
	b.validate()
	for _, account := range [][]byte{one, two} {
		list := b.mailbox(account)
		if len(list) != 1 || string(b.octets(list[0].Body)) != string(m.Body) {
			t.Errorf("mailbox %v", list)
		}
	}
	// Its account goes before the mail comes: it's tried again.
	id = b.submitted(sendMail("x@example.org", "you+web.de@pop3proxy.reddoxx"))
	r.begin(id, 0)
	if _, err := (admin{b.Store}).RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: "you@web.de@pop3.web.de", WithMail: true}); err != nil {
		t.Fatal(err)
	}
	if err := r.tryEnd(id, nil, local(0, two)); err != nil {
		t.Fatal(err)
	}
	if got := b.queuedMail(id).Recipients[0]; got.State != contract.RecipientState_WAITING {
		t.Errorf("its account is gone: %v", got)
	}
}

// A notice is in the queue once, with what it tells of or not at all.
func TestNotices(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.submitted(sendMail("me@example.org", "you@example.net", "she@example.net"))
	r := b.runner(1)
	notice := sendMail("", "me@example.org")
	notice.Client = ""
	r.begin(id, 0)
	b.failAt("sync", "notes", errnos[0])
	if err := r.tryEnd(id, []*contract.SubmitMail{notice}, result(0, contract.RecipientState_FAILED)); !errors.Is(err, contract.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	b.faulty.Fail(nil)
	if b.queued() != 1 || b.queuedMail(id).Recipients[0].State != contract.RecipientState_SENDING {
		t.Error("half of what failed is there")
	}
	b.orphans = 1
	b.failAt("free", "", errnos[1]) // a full disk is emptied by that, too
	b.room.left.Store(0)
	r.endWith(id, []*contract.SubmitMail{notice}, result(0, contract.RecipientState_FAILED))
	b.faulty.Fail(nil)
	if b.queued() != 2 {
		t.Errorf("%d in the queue, want the mail and one notice", b.queued())
	}
	r.begin(id, 1)
	last := sendMail("", "me@example.org")
	last.Client = ""
	r.endWith(id, []*contract.SubmitMail{last}, result(1, contract.RecipientState_FAILED))
	if b.queued() != 2 || b.queuedMail(id) != nil {
		t.Errorf("%d in the queue, want the notices alone", b.queued())
	}
	stranger := sendMail("", "me@example.org")
	if err := r.tryEnd(id, []*contract.SubmitMail{stranger}); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("a notice of a client: %v", err)
	}
}

// Mail for a user without an account is held until there is one.
func TestHeldForAnAccount(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const address = "sales@pop3proxy.reddoxx"
	b.addUser("sales")
	answer, err := smtp{b.Store}.LookUpRecipient(t.Context(), &contract.LookUpRecipientRequest{Address: "Sales@pop3proxy.reddoxx"})
	if err != nil || answer.User != "sales" || len(answer.Account) != 0 {
		t.Errorf("looked up: %v, %v", answer, err)
	}
	id := b.submitted(sendMail("me@example.org", address, "other@pop3proxy.reddoxx"))
	r := b.runner(1)
	r.begin(id, 0, 1)
	r.end(id, result(0, contract.RecipientState_ON_HOLD), result(1, contract.RecipientState_ON_HOLD))
	b.reopen("two")
	b.enrolled("me@gmx.de@pop3.gmx.de")
	states := func(what string, first, second contract.RecipientState) {
		t.Helper()
		if got := b.queuedMail(id).Recipients; got[0].State != first || got[1].State != second {
			t.Errorf("%s: %v", what, got)
		}
	}
	states("no account yet", contract.RecipientState_ON_HOLD, contract.RecipientState_ON_HOLD)
	b.must(b.move("me@gmx.de@pop3.gmx.de", "sales", false))
	states("the first one's user has an account", contract.RecipientState_WAITING, contract.RecipientState_ON_HOLD)
	b.must(b.assign("other@pop3proxy.reddoxx", "sales", false))
	states("the second one is an address of a user", contract.RecipientState_WAITING, contract.RecipientState_WAITING)
}

// A mail is held for an account in the very batch of commits that brings the account, or the address.
func TestHeldForAnAccountThatComesWithIt(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.addUser("sales")
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	id := b.submitted(sendMail("me@example.org", "sales@pop3proxy.reddoxx"))
	r := b.runner(1)
	r.begin(id, 0)
	hold := func(t *engine.Txn, _ []segment.Location) error {
		m, err := loadQueued(&t.Reader, id)
		if err != nil {
			return err
		}
		if err := b.end(t, m, result(0, contract.RecipientState_ON_HOLD)); err != nil {
			return err
		}
		return b.keepTransport(t, m)
	}
	move := func(t *engine.Txn, _ []segment.Location) error {
		a, err := loadAccount(&t.Reader, accountID(account))
		if err != nil {
			return err
		}
		from, err := loadUser(&t.Reader, userKey(a.User))
		if err != nil {
			return err
		}
		to, err := loadUser(&t.Reader, userKey("sales"))
		if err != nil {
			return err
		}
		return b.moveAccount(t, a, from, to, false)
	}
	for _, err := range b.db.CommitAll(t.Context(), []*engine.Call{{Plan: hold}, {Plan: move}}) {
		b.must(err)
	}
	if got := b.queuedMail(id).Recipients[0]; got.State != contract.RecipientState_WAITING {
		t.Errorf("got %v", got)
	}
}

func TestListTransport(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	var cursor []byte
	list := func() (ids []uint64, gone int) {
		t.Helper()
		for {
			answer, err := smtp{b.Store}.ListTransport(t.Context(), &contract.ListTransportRequest{Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			cursor = answer.Cursor
			for _, e := range answer.Entries {
				if e.Gone {
					gone++
				} else {
					ids = append(ids, e.Id)
				}
			}
			if !answer.More {
				return ids, gone
			}
		}
	}
	var all []uint64
	for range 5 {
		m := sendMail("me@example.org")
		for i := range 2000 { // an answer doesn't hold them all
			m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: fmt.Sprintf("%0200d@example.net", i)})
		}
		all = append(all, b.submitted(m))
	}
	if ids, gone := list(); !slices.Equal(ids, all) || gone != 0 {
		t.Errorf("at first: %v, %d gone; want %v", ids, gone, all)
	}
	if ids, gone := list(); len(ids)+gone != 0 {
		t.Errorf("nothing changed: %v, %d", ids, gone)
	}
	r := b.runner(1)
	r.begin(all[3], 0)
	if ids, _ := list(); !slices.Equal(ids, all[3:4]) {
		t.Errorf("one changed: %v", ids)
	}
	if _, err := (admin{b.Store}).ChangeQueued(t.Context(), &contract.ChangeQueuedRequest{Id: all[1], Change: contract.ChangeQueuedRequest_DROP_SILENT}); err != nil {
		t.Fatal(err)
	}
	if ids, gone := list(); len(ids) != 0 || gone != 1 {
		t.Errorf("one is gone: %v, %d", ids, gone)
	}
	r.end(all[3])
	list()
	b.reopen("two")
	if ids, _ := list(); len(ids) != 4 {
		t.Errorf("a cursor of another run: %v", ids)
	}
}

// A runner is told of each change.
func TestRunnerIsTold(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	r := b.runner(1)
	id := b.submitted(sendMail("me@example.org", "you@example.net"))
	<-r.line.looks
	if _, err := (admin{b.Store}).ChangeQueued(t.Context(), &contract.ChangeQueuedRequest{Id: id, Change: contract.ChangeQueuedRequest_HOLD}); err != nil {
		t.Fatal(err)
	}
	<-r.line.looks
}

func TestTextsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.submitted(sendMail("me@example.org", "you@example.net"))
	r := b.runner(1)
	r.begin(id, 0)
	long := result(0, contract.RecipientState_WAITING)
	long.Text = strings.Repeat("ä", 10_000) + "\xff"
	r.end(id, long)
	if got := b.queuedMail(id).Recipients[0].Text; len(got) > maxText || !strings.HasSuffix(got, "ä") {
		t.Errorf("%d octets, ends in %q", len(got), got[len(got)-4:])
	}
}
