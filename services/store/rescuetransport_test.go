package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

// spoil opens a copy of the store's folder as a machine's end left it, with the note that has these octets spoiled.
func (b *box) spoil(octets string, orphans int) *box {
	b.t.Helper()
	cut := filepath.Join(b.t.TempDir(), "store")
	if err := os.CopyFS(cut, os.DirFS(b.cfg.Dir)); err != nil {
		b.t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(cut, "notes", "*.log"))
	if err != nil || len(logs) != 1 {
		b.t.Fatal(logs, err)
	}
	log, err := os.ReadFile(logs[0])
	if err != nil {
		b.t.Fatal(err)
	}
	at := bytes.Index(log, []byte(octets))
	if at < 0 {
		b.t.Fatalf("no note has %q", octets)
	}
	log[at] ^= 1
	if err := os.WriteFile(logs[0], log, 0o600); err != nil {
		b.t.Fatal(err)
	}
	damaged := &box{t: b.t, cfg: b.cfg, faulty: b.faulty, orphans: orphans}
	damaged.cfg.Dir, damaged.cfg.Boot = cut, "two"
	damaged.open()
	b.t.Cleanup(func() {
		damaged.mustBeSound()
		damaged.Close()
	})
	return damaged
}

// Notes are lost that had to do with mail to send: nothing else is, the sums fit their rows again, and a condition says it.
func TestRescueOfTransport(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	r := b.runner(1)
	many := sendMail("x@example.org")
	for i := range 3 * partOf {
		many.Recipients = append(many.Recipients, &contract.SubmitRecipient{Address: fmt.Sprintf("r%d@many.example", i)})
	}
	big := b.submitted(many)
	r.begin(big, partOf) // writes one part again
	local := sendMail("x@example.org", "me+gmx.de@pop3proxy.reddoxx", "you@example.net")
	local.Body = []byte("local\r\n")
	id := b.submitted(local)
	r.begin(id, 0)
	in := result(0, contract.RecipientState_DELIVERED)
	in.Local, in.Text = account, "the note that says so"
	r.end(id, in)
	gone := result(1, contract.RecipientState_FAILED)
	gone.Text = "the note that lets the mail go"
	r.begin(id, 1)
	r.end(id, gone)
	r.end(big, &contract.RecipientResult{Index: partOf, State: contract.RecipientState_WAITING, Text: "last"})

	t.Run("the mail goes into the In Queue", func(t *testing.T) {
		d := b.spoil("the note that says so", 1)
		// Its row went in a later note: the body is nobody's, and kept.
		if c := d.condition(contract.ConditionDamage); c == nil || !strings.Contains(c.Text, "1 mails that were to be sent, or were sent, have lost") {
			t.Errorf("condition %v", c)
		}
	})
	t.Run("the creation of one with many recipients", func(t *testing.T) {
		d := b.spoil("r0@many.example", 0)
		if c := d.condition(contract.ConditionDamage); c == nil || !strings.Contains(c.Text, "64 recipients of mails that are to be sent are lost") {
			t.Errorf("condition %v", c)
		}
		if m := d.queuedMail(big); len(m.GetRecipients()) != 2*partOf { // a later note has two parts of three
			t.Errorf("%d recipients", len(m.GetRecipients()))
		}
		if answer, err := (smtp{d.Store}).ListTransport(t.Context(), &contract.ListTransportRequest{}); err != nil || len(answer.Entries) != 1 {
			t.Errorf("the queue: %v, %v", answer, err)
		}
	})
	t.Run("what was dropped comes back", func(t *testing.T) {
		// A row that a lost note took, on a body that a later one dropped.
		err := b.db.Update(t.Context(), func(t *engine.Txn) error {
			m, err := findQueued(&t.Reader, big)
			if err == nil {
				t.Save(engine.Dropped, append(make([]byte, 8), engine.SharedKey(m.Body)...), m.Body)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		d := b.spoil("the note that says so", 1)
		if m := d.queuedMail(big); m == nil || !bytes.Equal(d.octets(m.Body), many.Body) {
			t.Errorf("got %v", m)
		}
		if err := b.db.Update(t.Context(), func(t *engine.Txn) error { deleteAll(t, engine.Dropped); return nil }); err != nil {
			t.Fatal(err)
		}
	})
}
