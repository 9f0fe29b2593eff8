package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postroom/services/contract"
)

// What can't be read is held, and goes on once it can.
func TestDamageThatPasses(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1), mailOf(2))
	b.validate()
	bad := b.mailbox(account)[0]
	report := func() {
		t.Helper()
		q := &contract.ReportDamageRequest{Account: account, Id: bad.Id, Text: "input/output error"}
		if _, err := (pop3{b.Store}).ReportDamage(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	flip := func() { t.Helper(); b.flip(bad.Body) }
	want := func(what string, mails int, held bool) {
		t.Helper()
		if got := len(b.mailbox(account)); got != mails {
			t.Errorf("%s: %d mails are served, want %d", what, got, mails)
		}
		if got := b.condition(contract.ConditionDamage) != nil; got != held {
			t.Errorf("%s: a condition: got %t, want %t", what, got, held)
		}
	}
	heal := func() {
		t.Helper()
		if err := b.heal(t.Context(), <-b.damage.messages); err != nil {
			t.Fatal(err)
		}
	}

	report()
	want("reported, and whole", 2, false)
	flip()
	report()
	want("damaged", 1, true) // and its opening wants the held one looked at
	heal()
	want("looked at, damaged still", 1, true)
	flip()
	heal()
	want("whole again", 2, false)
	if got := b.octets(bad.Body); string(got) != string(mailOf(1).Body) {
		t.Errorf("got %q", got)
	}
}

// A condition about a message goes with it: a client retrieved it, so it could be read, or deleted it.
func TestDamageOfAMessageThatLeaves(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1))
	b.validate()
	id := b.mailbox(account)[0].Id
	b.told(contract.ConditionDamage, damageSubject(id))
	b.endPoll(&contract.EndPollRequest{Account: account, Leave: []uint64{id}})
	if c := b.condition(contract.ConditionDamage); c != nil {
		t.Errorf("got %v, want no condition", c)
	}
}

// told sets a condition as a service does.
func (b *box) told(name, subject string) {
	b.t.Helper()
	q := &contract.SetConditionRequest{Condition: &contract.Condition{Name: name, Subject: subject, Text: "it broke"}}
	if _, err := (common{b.Store, false}).SetCondition(b.t.Context(), q); err != nil {
		b.t.Fatal(err)
	}
}

func TestRepairIsToldForADay(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	now := time.Now()
	b.cfg.Now = func() time.Time { return now }
	b.reopen("one")
	b.told(contract.ConditionDamage, "index")
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{23 * time.Hour, true}, {2 * time.Hour, false}} {
		now = now.Add(step.after)
		b.reopen("one")
		if got := b.condition(contract.ConditionDamage) != nil; got != step.want {
			t.Errorf("%v later: told %t, want %t", step.after, got, step.want)
		}
	}
}

// flip turns a bit of a body; the second time it heals it.
func (b *box) flip(body *contract.Body) {
	b.t.Helper()
	f, err := os.OpenFile(filepath.Join(b.cfg.Dir, "bodies", fmt.Sprintf("%08d.seg", body.Segment)), os.O_RDWR, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	octet := make([]byte, 1)
	if _, err := f.ReadAt(octet, int64(body.Offset)); err != nil {
		b.t.Fatal(err)
	}
	octet[0] ^= 1
	if _, err := f.WriteAt(octet, int64(body.Offset)); err != nil {
		b.t.Fatal(err)
	}
}

// The condition of a damaged mail in the Transport Queue holds until it has been sent, can be read when it's reported again, or is gone.
func TestDamageOfOutgoing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		end  func(b *box, r *runner, id uint64, body *contract.Body)
	}{
		{"reported again, and whole", func(b *box, r *runner, id uint64, body *contract.Body) {
			b.flip(body)
			b.reportQueued(id)
		}},
		{"sent to one of two", func(b *box, r *runner, id uint64, body *contract.Body) {
			b.flip(body)
			r.begin(id, 0, 1)
			if err := r.tryEnd(id, nil, &contract.RecipientResult{Index: 0, State: contract.RecipientState_DELIVERED},
				&contract.RecipientResult{Index: 1, State: contract.RecipientState_WAITING}); err != nil {
				b.t.Fatal(err)
			}
		}},
		{"dropped", func(b *box, r *runner, id uint64, body *contract.Body) {
			q := &contract.ChangeQueuedRequest{Id: id, Change: contract.ChangeQueuedRequest_DROP_SILENT}
			if _, err := (admin{b.Store}).ChangeQueued(b.t.Context(), q); err != nil {
				b.t.Fatal(err)
			}
			b.flip(body) // for the store's check at the test's end
			b.reportQueued(id)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			id := b.submitted(sendMail("me@example.org", "one@example.com", "two@example.com"))
			r := b.runner(7)
			m := r.begin(id, 0, 1)
			if err := r.tryEnd(id, nil, &contract.RecipientResult{Index: 0, State: contract.RecipientState_WAITING},
				&contract.RecipientResult{Index: 1, State: contract.RecipientState_WAITING}); err != nil {
				t.Fatal(err)
			}
			b.reportQueued(id)
			if c := b.condition(contract.ConditionDamage); c != nil {
				t.Errorf("of a whole mail: %v", c)
			}
			b.flip(m.Body)
			b.reportQueued(id)
			if c := b.condition(contract.ConditionDamage); c == nil || c.Subject != fmt.Sprintf("outgoing mail %d", id) {
				t.Errorf("of a damaged mail: %v", c)
			}
			test.end(b, r, id, m.Body)
			if c := b.condition(contract.ConditionDamage); c != nil {
				t.Errorf("then: %v", c)
			}
		})
	}
}

func (b *box) reportQueued(id uint64) {
	b.t.Helper()
	if _, err := (smtp{b.Store}).ReportDamage(b.t.Context(), &contract.ReportDamageRequest{Id: id, Text: "input/output error"}); err != nil {
		b.t.Fatal(err)
	}
}
