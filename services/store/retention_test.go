package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const alice = "alice@pop3.example.org"

// boxAt is a box with a clock that the test sets.
func boxAt(t *testing.T) (b *box, now *time.Time) {
	b = newBox(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	b.cfg.Now = func() time.Time { return at }
	b.open()
	return b, &at
}

// pass lets time pass on a clock that is kept, and sweeps.
func (b *box) pass(now *time.Time, d time.Duration) {
	b.t.Helper()
	*now = now.Add(d)
	b.clock.report(true)
	if err := b.sweep(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// filled gives alice's account with mails in its Out Queue.
func (b *box) filled(mails int) (account []byte, ids []uint64) {
	b.t.Helper()
	account = b.enrolled(alice)
	for i := range mails {
		b.put(account, mailOf(i))
	}
	b.validate()
	for _, m := range b.mailbox(account) {
		ids = append(ids, m.Id)
	}
	return account, ids
}

func (b *box) endPoll(q *contract.EndPollRequest) {
	b.t.Helper()
	if _, err := (pop3{b.Store}).EndPoll(b.t.Context(), q); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) setRetrieved(text string) {
	b.t.Helper()
	if _, err := (admin{b.Store}).SetAccount(b.t.Context(), &contract.SetAccountRequest{Name: alice, Retrieved: proto.String(text)}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) setForAll(retrieved string) {
	b.t.Helper()
	q := &contract.ApplySettingsRequest{File: "x", Text: fmt.Appendf(nil, "[pop3]\nretrieved = %q\n", retrieved)}
	if answer, err := (admin{b.Store}).ApplySettings(b.t.Context(), q); err != nil || answer.Problem != "" {
		b.t.Fatal(answer, err)
	}
}

// holds gives what an account's mailbox has, as indexes of ids.
func (b *box) holds(account []byte, ids []uint64) (list []int) {
	b.t.Helper()
	for _, m := range b.mailbox(account) {
		list = append(list, slices.Index(ids, m.Id))
	}
	return list
}

func (b *box) wantHolds(what string, account []byte, ids []uint64, want ...int) {
	b.t.Helper()
	if got := b.holds(account, ids); !slices.Equal(got, want) {
		b.t.Errorf("%s: the mailbox has %v, want %v", what, got, want)
	}
}

const hour = time.Hour

func TestRetrievedMailStaysForATime(t *testing.T) {
	t.Parallel()
	b, now := boxAt(t)
	b.setForAll("48h")
	account, ids := b.filled(3)
	b.endPoll(&contract.EndPollRequest{Account: account, Retrieved: ids[:1]})
	b.pass(now, 24*hour)
	b.endPoll(&contract.EndPollRequest{Account: account, Retrieved: ids[:2]}) // the first is counted from its first retrieval
	b.wantHolds("after a day", account, ids, 0, 1, 2)
	b.pass(now, 25*hour)
	b.wantHolds("after two days", account, ids, 1, 2)
	b.pass(now, 24*hour)
	b.wantHolds("after three days", account, ids, 2)
	b.pass(now, 1000*24*hour)
	b.wantHolds("what nobody retrieved, after years", account, ids, 2)
}

func TestRetrievedMailStaysUntilDele(t *testing.T) {
	t.Parallel()
	b, now := boxAt(t)
	b.setForAll("until-dele")
	account, ids := b.filled(3)
	b.endPoll(&contract.EndPollRequest{Account: account, Retrieved: ids[:2], Leave: ids[2:]})
	b.pass(now, 1000*24*hour)
	b.wantHolds("after years", account, ids, 0, 1)

	b.setRetrieved("24h")
	b.pass(now, hour)
	b.wantHolds("once a time is set, counted from the retrieval", account, ids)
}

// Nothing expires while the clock isn't good; and what was retrieved meanwhile is counted from when it was good again.
func TestNoClockNoExpiry(t *testing.T) {
	t.Parallel()
	b, now := boxAt(t)
	b.setForAll("24h")
	account, ids := b.filled(3)
	real := *now
	*now = time.Unix(0, 0) // no battery
	b.clock.report(false)
	b.endPoll(&contract.EndPollRequest{Account: account, Retrieved: ids[:1], Leave: ids[1:2]})
	*now = now.Add(1000 * 24 * hour)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantHolds("without a clock", account, ids, 0, 2)
	*now = real
	b.pass(now, hour)
	b.wantHolds("once the clock is good", account, ids, 0, 2)
	b.pass(now, 25*hour)
	b.wantHolds("a day later", account, ids, 2)
	for _, q := range b.status().Queues {
		if q.Queue == contract.QueueRetrieved && q.Messages != 2 {
			t.Errorf("%d mails can be brought back, want both", q.Messages)
		}
	}
}

// An account's own setting goes before that of all, and can be taken back.
func TestAccountsOwnRetrieved(t *testing.T) {
	t.Parallel()
	b, now := boxAt(t)
	account, ids := b.filled(2)
	show := func(want string, own bool) {
		t.Helper()
		got, err := admin{b.Store}.ShowAccount(t.Context(), &contract.ShowAccountRequest{Name: alice})
		if err != nil || got.Retrieved != want || got.OwnRetrieved != own {
			t.Errorf("shows %q, own %v, %v; want %q, %v", got.GetRetrieved(), got.GetOwnRetrieved(), err, want, own)
		}
	}
	show("expire", false)
	b.setRetrieved("until-dele")
	show("until-dele", true)
	b.endPoll(&contract.EndPollRequest{Account: account, Retrieved: ids[:1]})
	b.setRetrieved("default")
	show("expire", false)
	b.pass(now, hour)
	b.wantHolds("what was retrieved, once it expires again", account, ids, 1)
	_, err := admin{b.Store}.SetAccount(t.Context(), &contract.SetAccountRequest{Name: alice, Retrieved: proto.String("30d")})
	if err == nil || !strings.Contains(err.Error(), `"30d" is not a duration; write days in hours: "720h"`) {
		t.Errorf("30d: got %v", err)
	}
	show("expire", false)
}

func TestRestore(t *testing.T) {
	t.Parallel()
	b, now := boxAt(t)
	account, ids := b.filled(4)
	uidls := make(map[string]bool)
	bodies := make(map[uint64]string)
	for _, m := range b.mailbox(account) {
		uidls[m.Uidl] = true
		bodies[m.Id] = string(b.octets(m.Body))
	}
	restore := func(since time.Time, want uint64) {
		t.Helper()
		q := &contract.RestoreMailRequest{Name: alice}
		if !since.IsZero() {
			q.Since = timestamppb.New(since)
		}
		got, err := admin{b.Store}.RestoreMail(t.Context(), q)
		if err != nil || got.Messages != want || got.More {
			t.Errorf("restored: got %v, %v, want %d", got, err, want)
		}
	}
	last := &contract.EndPollRequest{Account: account, Leave: ids[:1]}
	b.endPoll(last)
	b.pass(now, 10*24*hour)
	b.endPoll(&contract.EndPollRequest{Account: account, Leave: ids[1:3]})
	restore(now.Add(-hour), 2)
	b.endPoll(&contract.EndPollRequest{Account: account, Leave: ids[1:3]}) // a repetition, for its answer was lost
	list := b.mailbox(account)
	if len(list) != 3 {
		t.Fatalf("the mailbox has %d mails, want what was left and two that came back", len(list))
	}
	for i, m := range list[1:] {
		if uidls[m.Uidl] || string(b.octets(m.Body)) != bodies[ids[1+i]] {
			t.Errorf("restored mail %d has UIDL %s, body %q", i, m.Uidl, b.octets(m.Body))
		}
	}
	b.pass(now, 5*24*hour)
	restore(time.Time{}, 0) // the first one's time was over
	if _, err := (admin{b.Store}).RestoreMail(t.Context(), &contract.RestoreMailRequest{Name: "bob@pop3.example.org"}); err == nil {
		t.Error("mail of nobody was restored")
	}
}

func TestRestoreOfMany(t *testing.T) {
	t.Parallel()
	b, _ := boxAt(t)
	account := b.enrolled(alice)
	const many = sweepRows + 5
	for i := 0; i < many; i += 1000 {
		var mails []*contract.PutMail
		for j := i; j < min(i+1000, many); j++ {
			mails = append(mails, mailOf(j))
		}
		b.put(account, mails...)
	}
	b.validate()
	var ids []uint64
	for _, m := range b.mailbox(account) {
		ids = append(ids, m.Id)
	}
	b.endPoll(&contract.EndPollRequest{Account: account, Leave: ids})
	var got []string
	for more := true; more; {
		answer, err := admin{b.Store}.RestoreMail(t.Context(), &contract.RestoreMailRequest{Name: alice})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(answer.Messages))
		more = answer.More
	}
	if text := strings.Join(got, " "); text != fmt.Sprintf("%d 5", sweepRows) {
		t.Errorf("restored %s", text)
	}
	if n := len(b.mailbox(account)); n != many {
		t.Errorf("the mailbox has %d mails, want %d", n, many)
	}
}
