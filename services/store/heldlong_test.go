package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/segment"
)

// Of what the sessions gave, the longest stays, with the digest of its own header.
func TestTheLongestVersionStaysHeld(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		lengths []int
		longest int // index
	}{
		{"once", []int{5}, 0},
		{"empty", []int{0}, 0},
		{"empty twice", []int{0, 0}, 0},
		{"ever longer", []int{0, 4, 9}, 2},
		{"ever shorter", []int{9, 4, 0}, 0},
		{"up and down", []int{4, 9, 6}, 1},
		{"as long, other bytes", []int{6, 6}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			account := b.enrolled(heldName)
			row, bodies := uint64(0), []string{}
			var first *contract.LedgerRow
			for i, length := range test.lengths {
				bodies = append(bodies, strings.Repeat(string(rune('a'+i)), length))
				m := replacing(row, held(bodies[i]))
				m.Uidl, m.Size, m.HeaderDigest = []byte("u"), uint64(100+i), bytes.Repeat([]byte{byte(i)}, digestSize)
				row = b.put(account, m)[0].Id
				if i == 0 {
					first = b.row(account, row)
				}
			}
			for _, boot := range []string{"one", "two"} {
				got := b.row(account, row)
				if stateOf(got) != "held size" || len(b.ledger(account)) != 1 {
					t.Fatalf("got %s, and %d rows", stateOf(got), len(b.ledger(account)))
				}
				if got.Octets != uint64(test.lengths[test.longest]) || got.HeaderDigest[0] != byte(test.longest) || got.Size != uint64(99+len(bodies)) {
					t.Errorf("got %v, want version %d and the last LIST size", got, test.longest)
				}
				if !got.First.AsTime().Equal(first.First.AsTime()) {
					t.Errorf("first %v, want %v", got.First.AsTime(), first.First.AsTime())
				}
				var versions [][]byte
				for _, body := range bodies {
					h := segment.NewBody(segment.Received, accountID{}, time.Time{}, []byte(body)).SHA256
					versions = append(versions, h[:])
				}
				if fmt.Sprint(got.Versions) != fmt.Sprint(versions) || !bytes.Equal(got.Sha256, versions[test.longest]) {
					t.Errorf("versions %x, sha %x; want %x, number %d", got.Versions, got.Sha256, versions, test.longest)
				}
				if at := b.where(bodies[test.longest]); at != contract.QueueHeld || b.queue(contract.QueueHeld) != 1 {
					t.Errorf("the longest is in %q, and %d are held", at, b.queue(contract.QueueHeld))
				}
				b.reopen(boot)
			}
		})
	}
}

func TestVersionsOfARowAreBounded(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	row := uint64(0)
	for i := range maxVersions + 3 {
		row = b.put(account, replacing(row, held(fmt.Sprintf("version %d", i))))[0].Id
	}
	got := b.row(account, row).Versions
	h := segment.NewBody(segment.Received, accountID{}, time.Time{}, fmt.Appendf(nil, "version %d", maxVersions+2)).SHA256
	if len(got) != maxVersions || !bytes.Equal(got[maxVersions-1], h[:]) {
		t.Errorf("%d versions, the last %x", len(got), got[len(got)-1])
	}
}

// A body over MaxPut is a segment of its own: held, let go for a whole one, and punched out a day later.
func TestALargeHeldBodyGoesForAWholeOne(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.Close()
	now := time.Now()
	b.cfg.Now = func() time.Time { return now }
	b.open()
	account := b.enrolled(heldName)
	f := fetcher{b.Store}
	begun, err := f.BeginUpload(t.Context(), &contract.BeginUploadRequest{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte("0123456789abcdef"), contract.MaxPut/16)
	for i := range 2 {
		if _, err := f.AppendUpload(t.Context(), &contract.AppendUploadRequest{Upload: begun.Upload, Offset: uint64(i) * contract.MaxPut, Chunk: chunk}); err != nil {
			t.Fatal(err)
		}
	}
	m := held("")
	m.Upload = begun.Upload
	row := b.put(account, m)[0].Id
	if got := b.row(account, row); got.Octets != 2*contract.MaxPut {
		t.Fatalf("got %v", got)
	}
	b.put(account, replacing(row, plain("whole\r\n")))
	numbers := func() int {
		list, err := b.db.SegmentNumbers()
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := numbers()
	now = now.Add(23 * time.Hour)
	b.clock.report(true)
	if err := b.sweep(t.Context()); err != nil || numbers() != before {
		t.Errorf("within a day: %d segments of %d, %v", numbers(), before, err)
	}
	now = now.Add(2 * time.Hour)
	b.clock.report(true)
	if err := b.sweep(t.Context()); err != nil || numbers() != before-1 {
		t.Errorf("a day later: %d segments of %d, %v", numbers(), before, err)
	}
	b.validate()
	if list := b.mailbox(account); len(list) != 1 || string(b.octets(list[0].Body)) != "whole\r\n" {
		t.Errorf("got %v", list)
	}
}

// An upload whose put is refused for good is not kept for another try.
func TestAnUploadThatIsRefusedGoes(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	row := b.put(account, plain("stored"))[0].Id
	f := fetcher{b.Store}
	begun, err := f.BeginUpload(t.Context(), &contract.BeginUploadRequest{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.AppendUpload(t.Context(), &contract.AppendUploadRequest{Upload: begun.Upload, Chunk: []byte("large")}); err != nil {
		t.Fatal(err)
	}
	m := replacing(row, plain(""))
	m.Upload = begun.Upload
	if _, err := putOne(t.Context(), f, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{m}}); !errors.Is(err, contract.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if _, err := b.uploads.get(begun.Upload); !errors.Is(err, contract.ErrNotFound) {
		t.Errorf("the upload: %v", err)
	}
	dropped := 0
	err = b.db.View(func(r *engine.Reader) error {
		for range r.Scan(engine.Dropped, nil, nil) {
			dropped++
		}
		return nil
	})
	if err != nil || dropped != 1 || b.where("large") != "" {
		t.Errorf("%d bodies are dropped, %v; it's in %q", dropped, err, b.where("large"))
	}
}

// A commit that fails changes nothing; the same call is made again.
func TestACallThatWasNotMadeDurable(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	row := b.put(account, held("short\r\n"))[0].Id
	fails := func(file string) {
		b.faulty.Fail(func(op, name string) error {
			if op == "sync" && strings.Contains(name, file) {
				return errors.New("the disk is tired")
			}
			return nil
		})
	}
	longer := replacing(row, held("a longer one\r\n"))
	fails("notes")
	b.orphans = 1
	_, err := putOne(t.Context(), fetcher{b.Store}, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{longer}})
	if !errors.Is(err, contract.ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
	if err := b.mark(account, row, contract.LedgerState_STORED); !errors.Is(err, contract.ErrUnavailable) {
		t.Errorf("mark: %v", err)
	}
	if got := stateOf(b.row(account, row)); got != "held size" || b.where("short\r\n") != "held" || b.where("a longer one\r\n") != "" {
		t.Errorf("refused, and the row is %s; the bodies are in %q and %q", got, b.where("short\r\n"), b.where("a longer one\r\n"))
	}
	b.faulty.Fail(nil)
	row = b.put(account, longer)[0].Id
	b.marked(account, row, contract.LedgerState_STORED)
	for range 2 {
		if got := stateOf(b.row(account, row)); got != "stored" || b.where("short\r\n") != "" || b.where("a longer one\r\n") != "in" {
			t.Errorf("the row is %s; the bodies are in %q and %q", got, b.where("short\r\n"), b.where("a longer one\r\n"))
		}
		b.reopen("two")
	}
}

func TestTwinsAreHeldOnceByAKey(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled(heldName)
	twin := &contract.LedgerRow{Uidl: []byte("u"), Sha256: make([]byte, 32), HeaderDigest: make([]byte, 32)}
	q := &contract.MarkLedgerRequest{Key: bytes.Repeat([]byte{7}, 16), Held: []*contract.LedgerRow{twin, twin}}
	for range 2 {
		b.mustMark(account, q)
		b.reopen("two")
	}
	got := b.ledger(account)
	if len(got) != 2 || stateOf(got[0]) != "held twin" || got[0].First == nil {
		t.Errorf("got %v", got)
	}
	for name, bad := range map[string]*contract.MarkLedgerRequest{
		"short key":       {Key: []byte{1}, Held: []*contract.LedgerRow{twin}},
		"without a mail":  {Held: []*contract.LedgerRow{{Reason: contract.LedgerReason_SIZE, Sha256: make([]byte, 32), HeaderDigest: make([]byte, 32)}}},
		"without digests": {Held: []*contract.LedgerRow{{}}},
		"to HELD":         {Marks: []*contract.LedgerMark{{Id: b.put(account, plain("x"))[0].Id, State: contract.LedgerState_HELD}}},
	} {
		bad.Account = account
		if _, err := (fetcher{b.Store}).MarkLedger(t.Context(), bad); !errors.Is(err, contract.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	both := held("x")
	both.Notice = true
	bare := held("x")
	bare.HeaderDigest = nil
	for _, m := range []*contract.PutMail{both, bare} {
		if _, err := putOne(t.Context(), fetcher{b.Store}, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{m}}); !errors.Is(err, contract.ErrInvalid) {
			t.Errorf("put %v: got %v", m, err)
		}
	}
}
