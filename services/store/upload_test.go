package store

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

// A put's connection breaks within its commit, and it comes again at once: the body that it comes again with is the one that
// the first has named by then.
func TestALargePutThatComesAgainWithinItsCommit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		again func(*contract.PutMail) // what is another than the first time
		want  error
	}{
		{"the same", func(*contract.PutMail) {}, nil},
		{"under another key", func(m *contract.PutMail) { m.Key = bytes.Repeat([]byte{9}, putKeySize) }, contract.ErrConflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t)
				account := b.enrolled(alice)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				within := func() {}
				b.cfg.Point = func(name string) {
					if name == "note-synced" {
						within()
					}
				}
				b.open()
				octets := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
				first, second := mailOf(1), mailOf(1)
				first.Body, second.Body = nil, nil
				var err error
				if first.Upload, err = b.upload(account, octets); err != nil {
					t.Fatal(err)
				}
				second.Key, second.Upload = first.Key, first.Upload
				test.again(second)
				again := make(chan error, 1)
				var repeated *contract.PutResponse
				within = func() {
					within = func() {}
					go func() {
						var err error
						repeated, err = putOne(t.Context(), fetcher{b.Store}, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{second}})
						again <- err
					}()
					synctest.Wait() // it waits for the next commit
				}
				stored := b.put(account, first)[0]
				if err := <-again; !errors.Is(err, test.want) || err == nil && repeated.Results[0].Id != stored.Id {
					t.Errorf("again: got %v, %v; want id %d, %v", repeated, err, stored.Id, test.want)
				}
				b.mustBeSound() // not dropped by the second
				b.validate()
				segment := engine.SegmentKey(b.mailbox(account)[0].Body.Segment)
				var s rows.Segment
				if err := b.db.View(func(r *engine.Reader) error {
					_, err := r.Load(engine.Segments, segment, &s)
					return err
				}); err != nil || s.Live != s.End {
					t.Errorf("its segment: %v, %v; want all of it live, once", &s, err)
				}
				time.Sleep(keepBody + time.Hour)
				b.clock.report(true)
				if err := b.sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				if list := b.mailbox(account); len(list) != 1 || !bytes.Equal(b.octets(list[0].Body), octets) {
					t.Errorf("%d mails, or another one", len(list))
				}
				if _, err := b.uploads.get(first.Upload); !errors.Is(err, contract.ErrNotFound) {
					t.Errorf("the upload: %v", err)
				}
			})
		})
	}
}

// The same of a mail that is sent.
func TestALargeMailSubmittedAgainWithinItsCommit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		again func(*contract.SubmitMail)
		want  error
	}{
		{"the same", func(*contract.SubmitMail) {}, nil},
		{"under another key", func(m *contract.SubmitMail) { m.Key = bytes.Repeat([]byte{9}, putKeySize) }, contract.ErrConflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				within := func() {}
				b.cfg.Point = func(name string) {
					if name == "note-synced" {
						within()
					}
				}
				b.open()
				octets := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
				upload, err := b.uploads.begin(segment.Submitted, accountID{})
				if err != nil {
					t.Fatal(err)
				}
				for at := 0; at < len(octets); at += contract.MaxPut {
					chunk := &contract.AppendUploadRequest{Upload: upload, Offset: uint64(at), Chunk: octets[at:min(at+contract.MaxPut, len(octets))]}
					if _, err := (smtp{b.Store}).AppendUpload(t.Context(), chunk); err != nil {
						t.Fatal(err)
					}
				}
				first, second := sendMail("x@example.org", "you@example.net"), sendMail("x@example.org", "you@example.net")
				first.Body, first.Upload = nil, upload
				second.Body, second.Upload, second.Key = nil, upload, first.Key
				test.again(second)
				again := make(chan error, 1)
				var repeated uint64
				within = func() {
					within = func() {}
					go func() {
						var err error
						repeated, err = b.submit(second)
						again <- err
					}()
					synctest.Wait() // it waits for the next commit
				}
				id := b.submitted(first)
				if err := <-again; !errors.Is(err, test.want) || err == nil && repeated != id {
					t.Errorf("again: got %d, %v; want id %d, %v", repeated, err, id, test.want)
				}
				b.mustBeSound() // not dropped by the second
				var s rows.Segment
				if err := b.db.View(func(r *engine.Reader) error {
					_, err := r.Load(engine.Segments, engine.SegmentKey(b.queuedMail(id).Body.Segment), &s)
					return err
				}); err != nil || s.Live != s.End {
					t.Errorf("its segment: %v, %v; want all of it live, once", &s, err)
				}
				time.Sleep(keepBody + time.Hour)
				b.clock.report(true)
				if err := b.sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				if m := b.queuedMail(id); b.queued() != 1 || !bytes.Equal(b.octets(m.Body), octets) {
					t.Errorf("%d mails, or another one", b.queued())
				}
				if _, err := b.uploads.get(upload); !errors.Is(err, contract.ErrNotFound) {
					t.Errorf("the upload: %v", err)
				}
			})
		})
	}
}
