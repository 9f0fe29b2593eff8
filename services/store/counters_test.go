package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

func (b *box) counters() map[string]*contract.Counter {
	b.t.Helper()
	answer, err := admin{b.Store}.ListCounters(b.t.Context(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	all := make(map[string]*contract.Counter)
	for _, c := range answer.Counters {
		all[c.Rule+" "+c.Destination] = c
	}
	return all
}

// Destinations that there is no room for are counted together, and those that aren't used make room.
func TestCountersAreBounded(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	b.cfg.Now = func() time.Time { return now }
	b.reopen("one")
	count := func(rule, destination string) {
		t.Helper()
		if err := b.db.Update(t.Context(), func(t *engine.Txn) error { return countTry(t, rule, destination, delivered) }); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := b.db.Update(t.Context(), func(t *engine.Txn) error {
		for i := range maxCounters - 1 {
			if err := countTry(t, "MX", fmt.Sprintf("mx%d.example", i), failed); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(20 * 24 * time.Hour)
	count("MX", "last.example")
	count("MX", "one.example")
	count("MX", "two.example")
	count("MX", "last.example")
	all := b.counters()
	if len(all) != maxCounters+1 || all["MX last.example"].Delivered != 2 || all["MX (others)"].Delivered != 2 {
		t.Errorf("%d counters, %v, %v", len(all), all["MX last.example"], all["MX (others)"])
	}
	now = now.Add(11 * 24 * time.Hour)
	b.clock.report(true)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := b.counters(); len(all) != 2 {
		t.Errorf("%d counters are kept", len(all))
	}
	count("MX", "one.example")
	if all := b.counters(); all["MX one.example"].GetDelivered() != 1 {
		t.Errorf("behind the sweep: %v", all)
	}
}

// `store check` finds a count of rows that isn't theirs, and a mail whose recipients aren't all there.
func TestCheckOfTransport(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	m := sendMail("me@example.org")
	for i := range partOf + 1 {
		m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: fmt.Sprintf("r%d@example.net", i)})
	}
	id := b.submitted(m)
	var body *rows.Body
	var part []byte
	change := func(f func(*engine.Txn)) {
		t.Helper()
		if err := b.db.Update(t.Context(), func(t *engine.Txn) error { f(t); return nil }); err != nil {
			b.t.Fatal(err)
		}
	}
	change(func(t *engine.Txn) {
		q, err := findQueued(&t.Reader, id)
		if err == nil {
			body = q.Body
		}
		part = append(part, t.Get(engine.Recipients, partKey(id, 1))...)
	})
	if got := b.problems(); len(got) != 0 {
		t.Errorf("of a sound store: %v", got)
	}
	change(func(t *engine.Txn) { t.Share(body) })
	if got := b.problems(); len(got) != 1 {
		t.Errorf("a count too many: %v", got)
	}
	change(func(t *engine.Txn) { t.Drop(body); t.Delete(engine.Recipients, partKey(id, 1)) })
	if got := b.problems(); len(got) != 1 {
		t.Errorf("a part of the recipients is gone: %v", got)
	}
	change(func(t *engine.Txn) { t.Put(engine.Recipients, partKey(id, 1), part) })
	b.faulty.Fail(nil)
	f, err := b.db.Open(body.Segment)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	octet := make([]byte, 1)
	if _, err := f.ReadAt(octet, int64(body.Offset)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{octet[0] ^ 1}, int64(body.Offset)); err != nil {
		t.Fatal(err)
	}
	if got := b.problems(); len(got) != 1 {
		t.Errorf("a spoiled body: %v", got)
	}
	if _, err := f.WriteAt(octet, int64(body.Offset)); err != nil {
		t.Fatal(err)
	}
	if _, err := (admin{b.Store}).Check(t.Context(), &contract.CheckRequest{Cursor: []byte{byte(len(queues) + 4)}}); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("a cursor behind all: %v", err)
	}
}
