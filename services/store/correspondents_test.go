package store

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

// knownDays gives the days of those that an account wrote to.
func (b *box) knownDays(account []byte) (n int, counted uint32) {
	b.t.Helper()
	err := b.db.View(func(r *engine.Reader) error {
		counted = correspondents(r, accountID(account))
		for range r.Scan(engine.Correspondents, account, account) {
			n++
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n, counted
}

func TestCorrespondents(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	b.cfg.Now = func() time.Time { return now }
	b.reopen("one")
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	send := func(from, client string, as []byte, to ...string) {
		t.Helper()
		m := sendMail(from, to...)
		m.Client, m.Account = client, as
		b.submitted(m)
	}
	want := func(what string, n int) {
		t.Helper()
		if got, counted := b.knownDays(account); got != n || counted != uint32(n) {
			t.Errorf("%s: %d known, %d counted, want %d", what, got, counted, n)
		}
	}
	send("me@gmx.de", "192.168.1.99", nil, "stranger@example.net")
	want("of who isn't known to be the owner", 0)
	send("me@gmx.de", "", account, "box@example.net")
	want("of the box itself", 0)
	send("me@gmx.de", inside, nil, "you@example.net", "YOU@example.net", "she@example.net")
	want("two recipients", 2)
	send("other@example.org", "192.168.1.99", account, "he@example.net")
	want("by another sender, logged in", 3)
	now = now.Add(24 * time.Hour)
	send("me@gmx.de", inside, account, "you@example.net")
	want("a day later", 3)
	b.db.View(func(r *engine.Reader) error {
		for key, value := range r.Scan(engine.Correspondents, account, account) {
			if bytes.Contains(key, []byte("example")) || bytes.Contains(value, []byte("example")) {
				t.Errorf("row %q can be read", key)
			}
		}
		return nil
	})
	now = now.Add(365*24*time.Hour - time.Hour)
	b.clock.report(true)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("a year later", 1)
	if _, err := (admin{b.Store}).RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: "me@gmx.de@pop3.gmx.de"}); err != nil {
		t.Fatal(err)
	}
	want("the account is gone", 0)
}

func TestCorrespondentsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	b.cfg.Now = func() time.Time { return now }
	b.reopen("one")
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	for batch := range 11 {
		m := sendMail("me@gmx.de")
		m.Account = account
		for i := range 2000 {
			m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: fmt.Sprintf("r%d-%d@example.net", batch, i)})
		}
		b.submitted(m)
		now = now.Add(24 * time.Hour)
	}
	n, counted := b.knownDays(account)
	if n > maxCorrespondents || n < maxCorrespondents-evictAtOnce || int(counted) != n {
		t.Errorf("%d known, %d counted", n, counted)
	}
	for address, want := range map[string]bool{"r10-1999@example.net": true, "r2-0@example.net": true} {
		if err := b.db.View(func(r *engine.Reader) error {
			if got := r.Get(engine.Correspondents, b.correspondentKey(accountID(account), address)) != nil; got != want {
				t.Errorf("%s is known: %v", address, got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	oldest := 0
	b.db.View(func(r *engine.Reader) error {
		for i := range 2000 {
			if r.Get(engine.Correspondents, b.correspondentKey(accountID(account), fmt.Sprintf("r0-%d@example.net", i))) != nil {
				oldest++
			}
		}
		return nil
	})
	if oldest != 0 {
		t.Errorf("%d of the oldest are kept", oldest)
	}
}
