package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/disk/disktest"
	"postroom/services/store/engine"
)

// spoilt copies the store's folder as a machine's end left it, with the notes that have these octets spoiled.
func (b *box) spoilt(octets ...string) Config {
	b.t.Helper()
	cfg := b.cfg
	cfg.Dir, cfg.Boot, cfg.FS = filepath.Join(b.t.TempDir(), "store"), "two", disktest.Unsynced{}
	if err := os.CopyFS(cfg.Dir, os.DirFS(b.cfg.Dir)); err != nil {
		b.t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(cfg.Dir, "notes", "*.log"))
	if err != nil || len(logs) != 1 {
		b.t.Fatal(logs, err)
	}
	log, err := os.ReadFile(logs[0])
	if err != nil {
		b.t.Fatal(err)
	}
	for _, one := range octets {
		at := bytes.Index(log, []byte(one))
		if at < 0 {
			b.t.Fatalf("no note has %q", one)
		}
		log[at] ^= 1
	}
	if err := os.WriteFile(logs[0], log, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return cfg
}

// opened opens a store's folder, in which so many bodies are nobody's.
func (b *box) opened(cfg Config, orphans int) *box {
	b.t.Helper()
	other := &box{t: b.t, cfg: cfg, faulty: b.faulty, orphans: orphans}
	other.open()
	b.t.Cleanup(func() {
		other.mustBeSound()
		other.Close()
	})
	return other
}

func (b *box) spoil(octets string, orphans int) *box {
	b.t.Helper()
	return b.opened(b.spoilt(octets), orphans)
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

// Of a mail to many only those recipients are left that have it: it's in the queue for nobody.
func TestRescueOfTransportWithoutRecipients(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	m := sendMail("x@example.org")
	var all []uint32
	var results []*contract.RecipientResult
	for i := range uint32(partOf + 1) {
		m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: fmt.Sprintf("r%d@many.example", i)})
		if i < partOf {
			all, results = append(all, i), append(results, result(i, contract.RecipientState_DELIVERED))
		}
	}
	id := b.submitted(m)
	r := b.runner(1)
	r.begin(id, all...)
	r.end(id, results...)
	d := b.spoil(fmt.Sprintf("r%d@many.example", partOf), 1)
	if d.queuedMail(id) != nil || d.queued() != 0 {
		t.Error("it is in the queue")
	}
	if c := d.condition(contract.ConditionDamage); c == nil || !strings.Contains(c.Text, "1 recipients of mails") || !strings.Contains(c.Text, "1 mails that were to be sent") {
		t.Errorf("condition %v", c)
	}
}

// A rescue that ends early is owed still, what it does to the Transport Queue too.
func TestARescueOfTransportThatEndsEarlyGoesOn(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	many, lost := sendMail("x@example.org"), sendMail("x@example.org", "lost@many.example")
	for i := range 3 * partOf {
		many.Recipients = append(many.Recipients, &contract.SubmitRecipient{Address: fmt.Sprintf("r%d@many.example", i)})
	}
	id := b.submitted(many)
	b.submitted(lost)
	b.runner(1).begin(id, partOf) // writes one part again
	cfg := b.spoilt("r0@many.example", "lost@many.example")
	for commits := range 2 {
		for _, boot := range []string{"two", "three"} {
			t.Run(fmt.Sprintf("after %d commits, then boot %s", commits, boot), func(t *testing.T) {
				again := cfg
				again.Dir = filepath.Join(t.TempDir(), "store")
				copyDir(t, cfg.Dir, again.Dir)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ending, left := again, commits
				ending.Point = func(name string) {
					if name == "index-applied" {
						if left--; left == 0 {
							cancel()
						}
					}
				}
				if commits == 0 {
					cancel()
				}
				if _, err := Open(ctx, ending); !errors.Is(err, context.Canceled) {
					t.Fatalf("open: %v, want that it was ended", err)
				}
				again.Boot = boot
				d := (&box{t: t, faulty: b.faulty}).opened(again, 1)
				if c := d.condition(contract.ConditionDamage); c == nil || !strings.Contains(c.Text, "64 recipients of mails") || !strings.Contains(c.Text, "1 mails that were to be sent") {
					t.Errorf("condition %v", c)
				}
				if m := d.queuedMail(id); len(m.GetRecipients()) != 2*partOf || d.queued() != 1 {
					t.Errorf("%d recipients, %d mails", len(m.GetRecipients()), d.queued())
				}
			})
		}
	}
}
