package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// The states of a ledger row that the tests go through, by how it came there. Its mail has the body text.
var ledgerStates = []struct {
	name string
	make func(b *box, account []byte, text string) (row uint64)
}{
	{"twin", func(b *box, account []byte, text string) uint64 {
		b.mustMark(account, &contract.MarkLedgerRequest{Held: []*contract.LedgerRow{{
			Uidl: []byte(text), Sha256: make([]byte, 32), HeaderDigest: make([]byte, 32), Reason: contract.LedgerReason_TWIN,
		}}})
		return b.rowOf(account, text).Id
	}},
	{"held", func(b *box, account []byte, text string) uint64 { return b.put(account, held(text))[0].Id }},
	{"stored", func(b *box, account []byte, text string) uint64 { return b.put(account, plain(text))[0].Id }},
	{"dele-sent", func(b *box, account []byte, text string) uint64 {
		return b.marked(account, b.put(account, plain(text))[0].Id, contract.LedgerState_DELE_SENT)
	}},
	{"dele-acked", func(b *box, account []byte, text string) uint64 {
		return b.marked(account, b.put(account, plain(text))[0].Id, contract.LedgerState_DELE_ACKED)
	}},
	{"left", func(b *box, account []byte, text string) uint64 {
		return b.marked(account, b.put(account, held(text))[0].Id, contract.LedgerState_LEFT)
	}},
	{"accepted", func(b *box, account []byte, text string) uint64 {
		row := b.marked(account, b.put(account, held(text))[0].Id, contract.LedgerState_LEFT)
		b.accept()
		return row
	}},
	{"large", func(b *box, account []byte, text string) uint64 { return b.put(account, notice(text))[0].Id }},
	{"left, gone", func(b *box, account []byte, text string) uint64 {
		row := b.marked(account, b.put(account, held(text))[0].Id, contract.LedgerState_LEFT)
		return b.marked(account, row, contract.LedgerState_DELE_ACKED)
	}},
	{"accepted, gone", func(b *box, account []byte, text string) uint64 {
		row := b.marked(account, b.put(account, held(text))[0].Id, contract.LedgerState_LEFT)
		b.accept()
		return b.marked(account, row, contract.LedgerState_DELE_ACKED)
	}},
	{"large, gone", func(b *box, account []byte, text string) uint64 {
		return b.marked(account, b.put(account, notice(text))[0].Id, contract.LedgerState_DELE_ACKED)
	}},
	{"removed", func(b *box, account []byte, text string) uint64 {
		row := b.put(account, notice(text))[0].Id
		return b.marked(account, row, contract.LedgerState_LEDGER_UNSPECIFIED)
	}},
}

const heldName = "me@gmx.de@pop3.gmx.de"

func plain(text string) *contract.PutMail {
	m := &contract.PutMail{Key: make([]byte, 16), Uidl: []byte(text), Size: 100, HeaderDigest: make([]byte, 32), Body: []byte(text)}
	rand.Read(m.Key)
	return m
}

func held(text string) *contract.PutMail {
	m := plain(text)
	m.Hold = true
	return m
}

func notice(text string) *contract.PutMail {
	m := plain(text)
	m.Notice, m.HeaderDigest = true, nil
	return m
}

func replacing(row uint64, m *contract.PutMail) *contract.PutMail {
	m.Replaces = row
	return m
}

func (b *box) mark(account []byte, row uint64, to contract.LedgerState) error {
	_, err := fetcher{b.Store}.MarkLedger(b.t.Context(), &contract.MarkLedgerRequest{
		Account: account, Marks: []*contract.LedgerMark{{Id: row, State: to}},
	})
	return err
}

func (b *box) mustMark(account []byte, q *contract.MarkLedgerRequest) {
	b.t.Helper()
	q.Account = account
	if _, err := (fetcher{b.Store}).MarkLedger(b.t.Context(), q); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) marked(account []byte, row uint64, to contract.LedgerState) uint64 {
	b.t.Helper()
	if err := b.mark(account, row, to); err != nil {
		b.t.Fatal(err)
	}
	return row
}

func (b *box) accept() {
	b.t.Helper()
	if _, err := (admin{b.Store}).AcceptIncomplete(b.t.Context(), &contract.AccountRequest{Name: heldName}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) ledger(account []byte) []*contract.LedgerRow {
	b.t.Helper()
	answer, err := fetcher{b.Store}.ListLedger(b.t.Context(), &contract.ListLedgerRequest{Account: account})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.Rows
}

func (b *box) row(account []byte, id uint64) *contract.LedgerRow {
	b.t.Helper()
	rows := b.ledger(account)
	if i := slices.IndexFunc(rows, func(r *contract.LedgerRow) bool { return r.Id == id }); i >= 0 {
		return rows[i]
	}
	return nil
}

// rowOf gives the newest row with a UIDL, nil for none.
func (b *box) rowOf(account []byte, uidl string) *contract.LedgerRow {
	b.t.Helper()
	var found *contract.LedgerRow
	for _, r := range b.ledger(account) {
		if string(r.Uidl) == uidl {
			found = r
		}
	}
	return found
}

// stateOf says in a word what a row is at.
func stateOf(r *contract.LedgerRow) string {
	switch {
	case r == nil:
		return "none"
	case r.Reason == 0:
		return strings.ToLower(r.State.String())
	case r.Accepted:
		return strings.ToLower(r.State.String() + " " + r.Reason.String() + " accepted")
	}
	return strings.ToLower(r.State.String() + " " + r.Reason.String())
}

// where names the queues that a body is in, each as often as it is there; one that will be marked ends in "!".
func (b *box) where(text string) string {
	b.t.Helper()
	var list []string
	err := b.db.View(func(r *engine.Reader) error {
		for _, q := range queues {
			for key := range r.Scan(q.bucket, nil, nil) {
				var m rows.Message
				if _, err := r.Load(q.bucket, key, &m); err != nil {
					return err
				}
				if string(b.octets(contractBody(m.Body))) != text {
					continue
				}
				mark := ""
				if m.Incomplete {
					mark = "!"
				}
				list = append(list, q.name+mark)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// cut gives the store as a start in another boot finds it, when the power fails now: nothing of the index is taken.
func (b *box) cut(t *testing.T) *box {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(b.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	after := &box{t: t, cfg: b.cfg, faulty: b.faulty}
	after.cfg.Dir, after.cfg.Boot = dir, "another"
	after.open()
	t.Cleanup(func() {
		after.mustBeSound()
		if err := after.Close(); err != nil {
			t.Error(err)
		}
	})
	return after
}

func TestMarksOfTheLedger(t *testing.T) {
	t.Parallel()
	targets := []contract.LedgerState{
		contract.LedgerState_LEDGER_UNSPECIFIED, contract.LedgerState_STORED, contract.LedgerState_DELE_SENT,
		contract.LedgerState_DELE_ACKED, contract.LedgerState_LEFT,
	}
	// By state: what the row is behind each target ("-": refused, and as before), and where its body is then.
	want := map[string][5]string{
		"twin":           {"none", "-", "-", "-", "-"},
		"held":           {"-", "stored in", "-", "dele_acked size in!", "left size in!"},
		"stored":         {"-", "stored in", "dele_sent in", "dele_acked in", "-"},
		"dele-sent":      {"-", "stored in", "dele_sent in", "dele_acked in", "-"},
		"dele-acked":     {"-", "stored in", "dele_sent in", "dele_acked in", "-"},
		"left":           {"none in!", "-", "-", "dele_acked size in!", "left size in!"},
		"accepted":       {"none in!", "stored in!", "dele_sent in!", "dele_acked size accepted in!", "left size accepted in!"},
		"large":          {"none in", "-", "-", "dele_acked large in", "left large in"},
		"left, gone":     {"-", "-", "-", "dele_acked size in!", "left size in!"},
		"accepted, gone": {"-", "stored in!", "dele_sent in!", "dele_acked size accepted in!", "left size accepted in!"},
		"large, gone":    {"-", "-", "-", "dele_acked large in", "left large in"},
		"removed":        {"none in", "-", "-", "-", "-"},
	}
	for _, state := range ledgerStates {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			account := b.enrolled(heldName)
			at := func(b *box, row uint64, text string) string {
				return strings.TrimSpace(stateOf(b.row(account, row)) + " " + b.where(text))
			}
			wants, texts := map[uint64]string{}, map[uint64]string{}
			for i, to := range targets {
				text := fmt.Sprintf("%s to %v\r\n", state.name, to)
				row := state.make(b, account, text)
				before, wanted := at(b, row, text), want[state.name][i]
				refused := wanted == "-"
				if refused {
					wanted = before
				}
				for _, again := range []string{"", ", again"} {
					if err := b.mark(account, row, to); (err != nil) != refused {
						t.Errorf("to %v%s: error %v, want one: %t", to, again, err, refused)
					} else if err != nil && !errors.Is(err, contract.ErrConflict) && !errors.Is(err, contract.ErrNotFound) {
						t.Errorf("to %v%s: %v", to, again, err)
					}
					if got := at(b, row, text); got != wanted {
						t.Errorf("to %v%s: got %q, want %q", to, again, got, wanted)
					}
				}
				if got := b.row(account, row); got != nil && got.State != contract.LedgerState_HELD && (got.Octets != 0 || got.Versions != nil) {
					t.Errorf("to %v: what is held no longer keeps its versions: %v", to, got)
				}
				wants[row], texts[row] = wanted, text
			}
			after := b.cut(t)
			b.reopen("two")
			for row, wanted := range wants {
				for name, b := range map[string]*box{"a clean stop": b, "a cut": after} {
					if got := at(b, row, texts[row]); got != wanted {
						t.Errorf("%q behind %s: got %q, want %q", texts[row], name, got, wanted)
					}
				}
			}
			// The mail has moved on when a mark is repeated whose answer was lost.
			b.validate()
			for row, wanted := range wants {
				wanted = strings.NewReplacer("in!", "out!", " in", " out").Replace(wanted)
				state := b.row(account, row)
				if state == nil || state.State == contract.LedgerState_HELD {
					continue
				}
				if err := b.mark(account, row, state.State); err != nil {
					t.Errorf("%q, repeated once more: %v", texts[row], err)
				}
				if got := at(b, row, texts[row]); got != wanted {
					t.Errorf("%q, repeated once more: got %q, want %q", texts[row], got, wanted)
				}
			}
		})
	}
}

func TestPutInTheirPlace(t *testing.T) {
	t.Parallel()
	// By state: what a put of each kind makes its row, and where the body is that was there before ("-": refused).
	want := map[string][3]string{ // plain, held, notice
		"twin":           {"stored", "held size", "left large"},
		"held":           {"stored", "held size", "-"},
		"stored":         {"-", "-", "-"},
		"dele-sent":      {"-", "-", "-"},
		"dele-acked":     {"-", "-", "-"},
		"left":           {"stored, in!", "-", "-"},
		"accepted":       {"stored, in!", "-", "-"},
		"large":          {"stored, in", "held size, in", "left large, in"},
		"left, gone":     {"stored, in!", "-", "-"},
		"accepted, gone": {"stored, in!", "-", "-"},
		"large, gone":    {"stored, in", "held size, in", "left large, in"},
		"removed":        {"-", "-", "-"},
	}
	kinds := []struct {
		name, queue string
		mail        func(string) *contract.PutMail
	}{{"plain", "in", plain}, {"held", "held", held}, {"notice", "in", notice}}
	for _, state := range ledgerStates {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			account := b.enrolled(heldName)
			for i, kind := range kinds {
				text := fmt.Sprintf("%s, %s\r\n", state.name, kind.name)
				old := state.make(b, account, text)
				oldState, oldPlace := stateOf(b.row(account, old)), b.where(text)
				m := replacing(old, kind.mail("longer than before: "+text))
				if want[state.name][i] == "-" {
					_, err := putOne(t.Context(), fetcher{b.Store}, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{plain("beside " + text), m}})
					if !errors.Is(err, contract.ErrConflict) {
						t.Errorf("%s: error %v, want a conflict", kind.name, err)
					}
					if got, place := stateOf(b.row(account, old)), b.where(text); got != oldState || place != oldPlace {
						t.Errorf("%s: refused, and the row is %s in %q; it was %s in %q", kind.name, got, place, oldState, oldPlace)
					}
					if got := b.where(string(m.Body)) + b.where("beside "+text); got != "" {
						t.Errorf("%s: refused, and its body is in %q", kind.name, got)
					}
					continue
				}
				wantState, wantOld, _ := strings.Cut(want[state.name][i], ", ")
				first := b.put(account, m)[0]
				for _, when := range []string{"", ", put again", ", started again"} {
					if got := stateOf(b.row(account, first.Id)); got != wantState {
						t.Errorf("%s%s: row is %s, want %s", kind.name, when, got, wantState)
					}
					if got := b.where(string(m.Body)); got != kind.queue {
						t.Errorf("%s%s: its body is in %q, want %q", kind.name, when, got, kind.queue)
					}
					if got := b.where(text); got != wantOld {
						t.Errorf("%s%s: the body of before is in %q, want %q", kind.name, when, got, wantOld)
					}
					if got := b.row(account, old); got != nil {
						t.Errorf("%s%s: the row of before is there: %v", kind.name, when, got)
					}
					if when == "" {
						if again := b.put(account, m)[0]; again.Id != first.Id || !bytes.Equal(again.Sha256, first.Sha256) {
							t.Errorf("%s: put again, got %v, want %v", kind.name, again, first)
						}
					} else {
						b.reopen(when)
					}
				}
			}
		})
	}
}

// TestDigestsOfTheLedger keeps what the fetcher knows a mail by: of what is held, that of the version that is stored.
func TestDigestsOfTheLedger(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	with := func(m *contract.PutMail, digest byte) *contract.PutMail {
		m.HeaderDigest, m.BodyDigest = bytes.Repeat([]byte{digest}, 32), bytes.Repeat([]byte{digest + 1}, 32)
		return m
	}
	is := func(what string, r *contract.LedgerRow, digest byte) {
		t.Helper()
		if !bytes.Equal(r.HeaderDigest, bytes.Repeat([]byte{digest}, 32)) || !bytes.Equal(r.BodyDigest, bytes.Repeat([]byte{digest + 1}, 32)) {
			t.Errorf("%s: digests %.4x, %.4x; want those of %d", what, r.HeaderDigest, r.BodyDigest, digest)
		}
	}
	b.put(account, with(plain("stored"), 1))
	is("stored", b.rowOf(account, "stored"), 1)
	row := b.put(account, with(held("held, the longest"), 3))[0].Id
	m := with(held("held"), 5)
	m.Uidl = []byte("held, the longest")
	b.put(account, replacing(row, m))
	is("held, shorter now", b.rowOf(account, "held, the longest"), 3)
	n := notice("notice")
	n.Limit = 4000
	b.put(account, n)
	if r := b.rowOf(account, "notice"); r.Limit != 4000 {
		t.Errorf("notice: limit %d, want 4000", r.Limit)
	}
	b.mustMark(account, &contract.MarkLedgerRequest{Held: []*contract.LedgerRow{{
		Uidl: []byte("twin"), Sha256: make([]byte, 32), HeaderDigest: bytes.Repeat([]byte{7}, 32), BodyDigest: bytes.Repeat([]byte{8}, 32),
	}}})
	is("twin", b.rowOf(account, "twin"), 7)
}
