package store

import (
	"bytes"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

// machine is a clock that is set, and how long the machine has run, which nobody sets.
type machine struct {
	wall time.Time
	ran  time.Duration
}

func (m *machine) pass(d time.Duration) { m.wall, m.ran = m.wall.Add(d), m.ran+d }
func (m *machine) jump(d time.Duration) { m.wall = m.wall.Add(d) }
func (m *machine) in(b *box)            { b.clock.running = func() time.Duration { return m.ran } }

// Whatever the clock does, nothing goes by its age before somebody vouches for it; then, in its time.
func TestNothingIsDroppedWhenTheClockJumps(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	b := newBox(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	m := &machine{wall: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), ran: time.Hour}
	b.cfg.Now = func() time.Time { return m.wall }
	start := func() { // not known to be good
		t.Helper()
		b.open()
		m.in(b)
		b.clock.report(false)
	}
	start()
	b.clock.report(true)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	first := mailOf(1)
	answer := b.put(account, first, mailOf(2), mailOf(3))
	b.put(account, first) // its body came twice: one of them is dropped
	b.validate()
	f := fetcher{b.Store}
	for _, state := range []contract.LedgerState{contract.LedgerState_DELE_SENT, contract.LedgerState_DELE_ACKED} {
		_, err := f.MarkLedger(t.Context(), &contract.MarkLedgerRequest{
			Account: account, Marks: []*contract.LedgerMark{{Id: answer[1].Id, State: state}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := b.mailbox(account)
	if _, err := (pop3{b.Store}).EndPoll(t.Context(), &contract.EndPollRequest{Account: account, Leave: []uint64{list[0].Id}}); err != nil {
		t.Fatal(err)
	}

	dropped := func() (n int) {
		err := b.db.View(func(r *engine.Reader) error {
			for range r.Scan(engine.Dropped, nil, nil) {
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	rowsOf := func() int {
		t.Helper()
		answer, err := fetcher{b.Store}.ListLedger(t.Context(), &contract.ListLedgerRequest{Account: account})
		if err != nil {
			t.Fatal(err)
		}
		return len(answer.Rows)
	}
	type kept struct {
		retrieved, out uint64
		ledger         int
		dropped        int
	}
	look := func() kept { return kept{b.queue("retrieved"), b.queue("out"), rowsOf(), dropped()} }
	all := kept{1, 2, 3, 1}
	if got := look(); got != all {
		t.Fatalf("at the beginning %+v, want %+v", got, all)
	}
	for _, step := range []struct {
		name string
		do   func()
		want kept
	}{
		{"a year ahead", func() { m.jump(365 * day) }, all},
		{"an hour later", func() { m.pass(time.Hour) }, all},
		{"back again, and nobody says that it's right", func() { m.jump(-365 * day) }, all},
		{"20 days later", func() { m.pass(20 * day) }, all},
		{"a start a year ahead", func() { b.Close(); m.jump(365 * day); start() }, all},
		{"a start before it was set", func() { b.Close(); m.jump(-50 * 365 * day); start() }, all},
		{"a start with it right, unknown", func() { b.Close(); m.jump(49 * 365 * day); start() }, all},
		{"far behind, and vouched for: a wrong word", func() { m.jump(-300 * day); b.clock.report(true) }, all},
		{"then right, without a word", func() { m.jump(300 * day) }, all},
		{"right", func() { b.clock.report(true) }, kept{0, 2, 3, 1}}, // 20 days: what was retrieved is over
		{"30 days on: the ledger's row that was acknowledged is over", func() { m.pass(30 * day) }, kept{0, 2, 2, 0}},
		{"400 days on: mail that nobody retrieved stays", func() { m.pass(400 * day) }, kept{0, 2, 2, 0}},
	} {
		step.do()
		if err := b.sweep(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := look(); got != step.want {
			t.Errorf("%s: %+v are kept, want %+v", step.name, got, step.want)
		}
		b.mustBeSound()
	}
	for i, message := range b.mailbox(account) {
		if want := mailOf(i + 2).Body; !bytes.Equal(b.octets(message.Body), want) {
			t.Errorf("mail %d: got %q, want %q", i+2, b.octets(message.Body), want)
		}
	}
}

// What a clock that wasn't set yet said of a deletion doesn't count: its row stays its 30 days from when the clock is right.
func TestARowThatWasAcknowledgedBeforeTheClockWasSet(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	b := newBox(t)
	account := b.enrolled(alice)
	row := b.put(account, mailOf(1))[0].Id
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	right := time.Now()
	m := &machine{wall: time.Unix(60, 0), ran: time.Minute}
	b.cfg.Now = func() time.Time { return m.wall }
	b.open()
	m.in(b)
	b.clock.report(false)
	b.marked(account, row, contract.LedgerState_DELE_SENT)
	b.marked(account, row, contract.LedgerState_DELE_ACKED)
	m.wall = right
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {29 * day, 1}, {2 * day, 0}} {
		m.pass(step.after)
		b.clock.report(true)
		if err := b.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(b.ledger(account)); got != step.want {
			t.Errorf("%v later %d rows are kept, want %d", step.after, got, step.want)
		}
	}
}
