package store

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postroom/services/contract"
)

var errnos = []syscall.Errno{syscall.EIO, syscall.ENOSPC}

// failAt has one kind of call fail on files with the text in their path.
func (b *box) failAt(wanted, part string, errno syscall.Errno) (hits func() int) {
	n := 0
	b.faulty.Fail(func(op, name string) error {
		if op == wanted && strings.Contains(name, part) {
			n++
			return errno
		}
		return nil
	})
	return func() int { return n }
}

// upload uploads a large mail's octets.
func (b *box) upload(account, octets []byte) (upload uint64, err error) {
	f := fetcher{b.Store}
	begun, err := f.BeginUpload(b.t.Context(), &contract.BeginUploadRequest{Account: account})
	if err != nil {
		return 0, err
	}
	for at := 0; at < len(octets); at += 1 << 19 {
		_, err := f.AppendUpload(b.t.Context(), &contract.AppendUploadRequest{
			Upload: begun.Upload, Offset: uint64(at), Chunk: octets[at:min(at+1<<19, len(octets))],
		})
		if err != nil {
			return begun.Upload, err
		}
	}
	return begun.Upload, nil
}

// A large mail that can't be made durable, wherever that fails, is refused; nothing of it shows, and the same put with
// another upload of the same octets stores it once.
func TestFailingUpload(t *testing.T) {
	t.Parallel()
	octets := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
	for _, c := range []struct{ op, part string }{
		{"create", "bodies"}, {"write", "bodies"}, {"sync", "bodies"}, {"rename", "bodies"}, {"syncdir", "bodies"},
		{"write", "notes"}, {"sync", "notes"}, {"create", "notes"}, {"syncdir", "notes"},
	} {
		for _, errno := range errnos {
			t.Run(fmt.Sprintf("%v at %s of %s", errno, c.op, c.part), func(t *testing.T) {
				t.Parallel()
				b := newBox(t)
				account := b.enrolled("me@gmx.de@pop3.gmx.de")
				if c.part == "notes" && (c.op == "create" || c.op == "syncdir") {
					b.reopen("two") // the next note begins a file
				}
				hits := b.failAt(c.op, c.part, errno)
				m := mailOf(1)
				m.Body = nil
				f := fetcher{b.Store}
				put := func() error {
					var err error
					if m.Upload, err = b.upload(account, octets); err != nil {
						if m.Upload != 0 {
							f.AbortUpload(t.Context(), &contract.AbortUploadRequest{Upload: m.Upload})
						}
						return err
					}
					_, err = putOne(t.Context(), f, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{m}})
					return err
				}
				if err := put(); !errors.Is(err, contract.ErrUnavailable) || !strings.Contains(err.Error(), errno.Error()) {
					t.Errorf("got %v, want ErrUnavailable and %v", err, errno)
				}
				if hits() == 0 {
					t.Fatal("nothing failed")
				}
				if got := b.queue(contract.QueueIn); got != 0 {
					t.Errorf("%d mails were refused, and are there", got)
				}
				b.faulty.Fail(nil)
				if err := put(); err != nil {
					t.Fatal(err)
				}
				for _, boot := range []string{"three", "four"} {
					b.validate()
					list := b.mailbox(account)
					if len(list) != 1 || !bytes.Equal(b.octets(list[0].Body), octets) {
						t.Fatalf("%d mails came out, or another one", len(list))
					}
					b.reopen(boot)
				}
				left, err := filepath.Glob(filepath.Join(b.cfg.Dir, "bodies", "*"))
				if err != nil || len(left) != 1 {
					t.Errorf("in the folder of bodies: %v, %v; want one segment", left, err)
				}
			})
		}
	}
}

// Settings that can't be made durable are not in force, neither now nor after a start.
func TestFailingSettings(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"write", "sync"} {
		for _, errno := range errnos {
			t.Run(fmt.Sprintf("%v at %s", errno, op), func(t *testing.T) {
				t.Parallel()
				b := newBox(t)
				b.applyFile(allowPlain)
				b.failAt(op, "notes", errno)
				_, err := admin{b.Store}.ApplySettings(t.Context(), &contract.ApplySettingsRequest{File: "x", Text: []byte("")})
				if !errors.Is(err, contract.ErrUnavailable) || !errors.Is(err, errno) {
					t.Errorf("got %v, want ErrUnavailable and %v", err, errno)
				}
				answer, err := initService{b.Store}.ApplyFile(t.Context(), &contract.ApplyFileRequest{Source: "serve", File: "y", Text: []byte("# other\n")})
				if err == nil || answer.Applied {
					t.Errorf("a file: got %v, %v", answer, err)
				}
				b.faulty.Fail(nil)
				for _, boot := range []string{"two", "three"} {
					if got := string(b.settings.Load().POP3.PlaintextLogin); got != "always" {
						t.Errorf("before boot %s plaintext_login is %s, want what was applied", boot, got)
					}
					b.reopen(boot)
				}
				if answer := b.applyFile("# other\n"); !answer.Applied {
					t.Errorf("the file that was refused comes again: got %v", answer)
				}
			})
		}
	}
}

// A mail that can't be made durable is refused; nothing of it shows, and the same submission takes it once. The end of its
// delivery, which can't be made durable, has not happened.
func TestFailingTransport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ op, part string }{{"write", "bodies"}, {"sync", "bodies"}, {"write", "notes"}, {"sync", "notes"}} {
		for _, errno := range errnos {
			t.Run(fmt.Sprintf("%v at %s of %s", errno, c.op, c.part), func(t *testing.T) {
				t.Parallel()
				b := newBox(t)
				b.orphans = 2
				account := b.enrolled("me@gmx.de@pop3.gmx.de")
				r := b.runner(1)
				m := sendMail("x@example.org", "me+gmx.de@pop3proxy.reddoxx", "you@example.net")
				hits := b.failAt(c.op, c.part, errno)
				if _, err := b.submit(m); !errors.Is(err, contract.ErrUnavailable) || !strings.Contains(err.Error(), errno.Error()) {
					t.Errorf("submitted: %v, want ErrUnavailable and %v", err, errno)
				}
				if hits() == 0 {
					t.Fatal("nothing failed")
				}
				b.faulty.Fail(nil)
				if b.queued() != 0 {
					t.Error("a mail was refused, and is there")
				}
				id := b.submitted(m)
				r.begin(id, 0, 1)
				notice := sendMail("", "x@example.org")
				notice.Client = ""
				local := result(0, contract.RecipientState_DELIVERED)
				local.Local = account
				ends := []*contract.RecipientResult{local, result(1, contract.RecipientState_FAILED)}
				b.failAt(c.op, c.part, errno)
				if err := r.tryEnd(id, []*contract.SubmitMail{notice}, ends...); !errors.Is(err, contract.ErrUnavailable) {
					t.Errorf("ended: %v, want ErrUnavailable", err)
				}
				b.faulty.Fail(nil)
				if got := b.queuedMail(id); got == nil || got.Recipients[0].State != contract.RecipientState_SENDING || b.queued() != 1 || b.queue(contract.QueueIn) != 0 {
					t.Errorf("half of a refused end is there: %v", got)
				}
				r.endWith(id, []*contract.SubmitMail{notice}, ends...)
				r.die()
				for _, boot := range []string{"two", "three"} {
					if b.queuedMail(id) != nil || b.queued() != 1 || b.queue(contract.QueueIn) != 1 {
						t.Errorf("before boot %s: %d are queued, %d are in the In Queue", boot, b.queued(), b.queue(contract.QueueIn))
					}
					b.reopen(boot)
				}
			})
		}
	}
}
