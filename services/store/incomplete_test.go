package store

import (
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

func TestConditionOfIncompleteMails(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	other := b.enrolled("another@gmx.de@pop3.gmx.de")
	left := func(account []byte, text string) uint64 {
		return b.marked(account, b.put(account, held(text))[0].Id, contract.LedgerState_LEFT)
	}
	wants := func(when, text string) {
		t.Helper()
		got := ""
		for _, c := range b.status().Conditions {
			if c.Name == contract.ConditionIncomplete && c.Subject == heldName {
				got = c.Text
			}
		}
		if text == "" && got != "" || !strings.Contains(got, text) {
			t.Errorf("%s: condition %q, want %q", when, got, text)
		}
	}
	left(other, "of another account")
	b.put(account, held("still held"), notice("large"))
	wants("none was let through", "")
	rows := []uint64{left(account, "1"), left(account, "2"), left(account, "3"), left(account, "4")}
	wants("four", "4 mails that")
	wants("four", "`postroom account accept "+heldName+"`")
	b.marked(account, rows[0], contract.LedgerState_DELE_ACKED)
	wants("one isn't listed any more", "3 mails that")
	b.marked(account, rows[0], contract.LedgerState_LEFT)
	wants("and listed again", "4 mails that")
	b.marked(account, rows[0], contract.LedgerState_LEDGER_UNSPECIFIED)
	wants("one removed", "3 mails that")
	b.put(account, replacing(rows[1], plain("whole")))
	b.reopen("two")
	wants("one came whole", "2 mails that")
	if err := b.mark(account, rows[2], contract.LedgerState_DELE_SENT); err == nil {
		t.Error("a mail may be deleted at the provider that nobody accepted")
	}

	_, err := fetcher{b.Store}.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.accept()
		wants("accepted", "")
	}
	if row := b.row(account, rows[2]); stateOf(row) != "left size accepted" {
		t.Errorf("got %s", stateOf(row))
	}
	err = b.db.View(func(r *engine.Reader) error {
		a, err := loadAccount(r, accountID(account))
		if err == nil && !a.Wanted {
			t.Error("no fetch is wanted, to delete them")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := b.condition(contract.ConditionIncomplete); c == nil || !strings.HasPrefix(c.Text, "1 mail that") {
		t.Errorf("the other account's: %v", c)
	}
	left(account, "5")
	wants("another one", "1 mail that")
	remove := &contract.RemoveAccountRequest{Name: heldName, WithMail: true}
	if _, err := (admin{b.Store}).RemoveAccount(t.Context(), remove); err != nil {
		t.Fatal(err)
	}
	wants("the account is gone", "")
	if got := b.where("still held") + b.where("5"); got != "" || b.queue(contract.QueueHeld) != 0 {
		t.Errorf("removed, and its mail is in %q", got)
	}
}

func TestAnAccountWithHeldMailIsNotRemoved(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	b.put(account, held("short"))
	_, err := admin{b.Store}.RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: heldName})
	if err == nil || !strings.Contains(err.Error(), "queue held") || b.where("short") != "held" {
		t.Errorf("got %v, and the mail is in %q", err, b.where("short"))
	}
	show, err := admin{b.Store}.ShowAccount(t.Context(), &contract.ShowAccountRequest{Name: heldName})
	if err != nil {
		t.Fatal(err)
	}
	if q := show.Queues[0]; q.Queue != contract.QueueHeld || q.Messages != 1 || q.Octets != 5+2 {
		t.Errorf("got %v", q)
	}
	counts := map[contract.LedgerState]uint64{}
	for _, l := range show.Ledger {
		counts[l.State] = l.Rows
	}
	if _, told := counts[contract.LedgerState_LEFT]; !told || counts[contract.LedgerState_HELD] != 1 {
		t.Errorf("ledger: %v", show.Ledger)
	}
}

// What is taken says whether it's marked; what a second session confirmed isn't.
func TestTakeTellsWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	want := map[uint64]bool{
		b.marked(account, b.put(account, held("left"))[0].Id, contract.LedgerState_LEFT):        true,
		b.marked(account, b.put(account, held("gone"))[0].Id, contract.LedgerState_DELE_ACKED):  true,
		b.marked(account, b.put(account, held("confirmed"))[0].Id, contract.LedgerState_STORED): false,
		b.put(account, plain("whole"))[0].Id:                                                    false,
		b.put(account, notice("notice"))[0].Id:                                                  false,
	}
	b.put(account, held("still held"))
	defer b.work(1)()
	for n := len(want); n > 0; n-- {
		m := b.take(1)
		if incomplete, known := want[m.Id]; !known || m.Incomplete != incomplete {
			t.Errorf("got %v, want incomplete: %t", m, incomplete)
		}
		delete(want, m.Id)
	}
	if m := b.take(1); !m.None {
		t.Errorf("what is held was given out: %v", m)
	}
}

func TestAFetchKnowsTheMisfitsAndTheClock(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	f := fetcher{b.Store}
	for _, step := range []struct {
		good    bool
		misfits uint32
	}{{true, 0}, {false, 7}, {true, 20}, {true, 0}} {
		if _, err := f.EndFetch(t.Context(), &contract.EndFetchRequest{Account: account, Succeeded: true, Misfits: step.misfits}); err != nil {
			t.Fatal(err)
		}
		b.reopen("two")
		f.Store = b.Store
		b.clock.report(step.good)
		got, err := f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account})
		if err != nil || got.Misfits != step.misfits || got.ClockGood != step.good {
			t.Errorf("got %d misfits, clock good %t, %v; want %v", got.GetMisfits(), got.GetClockGood(), err, step)
		}
	}
}

// Rows of what is, or may be, at the provider stay; and so does held mail.
func TestNothingOfTheLedgerExpiresButWhatWasDeleted(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.Close()
	now := time.Now()
	b.cfg.Now = func() time.Time { return now }
	b.open()
	account := b.enrolled(heldName)
	ids := map[uint64]string{}
	for _, state := range ledgerStates {
		if state.name != "removed" {
			ids[state.make(b, account, state.name+"\r\n")] = state.name
		}
	}
	now = now.Add(365 * 24 * time.Hour)
	b.clock.report(true)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, name := range ids {
		gone := name == "dele-acked" || strings.HasSuffix(name, ", gone")
		if got := b.row(account, id) == nil; got != gone {
			t.Errorf("%s: gone after a year: %t, want %t", name, got, gone)
		}
	}
	if got := b.where("held\r\n"); got != "held" {
		t.Errorf("the held mail is in %q", got)
	}
}

func TestCheckSeesAHeldMailWithoutItsRow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bucket engine.Bucket
		want   string
	}{
		"row":  {engine.Ledger, "no row of the ledger holds it"},
		"mail": {engine.Held, "its mail isn't held"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			account := b.enrolled(heldName)
			id := b.put(account, held("short"))[0].Id
			key := ledgerKey(accountID(account), id)
			var value []byte
			take := func(set bool) {
				err := b.db.Update(t.Context(), func(t *engine.Txn) error {
					if set {
						t.Put(test.bucket, key, value)
						return nil
					}
					value = append(value, t.Get(test.bucket, key)...)
					t.Delete(test.bucket, key)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			take(false)
			if got := b.problems(); len(got) != 1 || !strings.Contains(got[0], test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if err := b.mark(account, id, contract.LedgerState_STORED); err == nil {
				t.Error("a mail that isn't there was let through")
			}
			take(true)
		})
	}
}
