package command

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store"
)

// A testBox is a store in this process, in the layout of hosted mode, served on its sockets.
type testBox struct {
	data      string
	pop3      *contract.Client[contract.Pop3Client]
	fetcher   *contract.Client[contract.FetcherService]
	validator *contract.Client[contract.ValidatorClient]
	init      *contract.Client[contract.InitService]
	smtp      *contract.Client[contract.SmtpClient]
	admin     *contract.Client[contract.AdminService]
	keys      byte

	stop func() // ends serving, and closes the store
}

// clock is what the store of a testBox takes for now.
var clock = time.Date(2026, 11, 23, 9, 30, 1, 0, time.UTC)

func newBox(t *testing.T) *testBox {
	t.Helper()
	data, err := os.MkdirTemp("", "box-") // t.TempDir's names are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	b := &testBox{data: data}
	dir := hosted(data)
	if err := os.MkdirAll(dir.run(), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{
		Dir: dir.store(), KeyFile: dir.keyFile(), CreateKey: true, Hosted: true,
		Version: "1.2.3", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	listeners := make(map[string][]net.Listener)
	for _, kind := range []string{"pop3", "smtp", "fetcher", "validator", "admin", "console", "init"} {
		l, err := net.Listen("unix", b.socket(kind))
		if err != nil {
			t.Fatal(err)
		}
		listeners[kind] = []net.Listener{l}
	}
	stop, err := s.Serve(t.Context(), listeners)
	if err != nil {
		t.Fatal(err)
	}
	b.pop3 = contract.NewClient(b.socket("pop3"), contract.NewPop3Client)
	b.fetcher = contract.NewClient(b.socket("fetcher"), contract.NewFetcherClient)
	b.validator = contract.NewClient(b.socket("validator"), contract.NewValidatorClient)
	b.init = contract.NewClient(b.socket("init"), contract.NewInitClient)
	b.smtp = contract.NewClient(b.socket("smtp"), contract.NewSmtpClient)
	b.admin = contract.NewClient(b.socket("admin"), contract.NewAdminClient)
	b.stop = func() {
		b.stop = func() {}
		b.pop3.Close()
		b.fetcher.Close()
		b.validator.Close()
		b.init.Close()
		b.smtp.Close()
		b.admin.Close()
		stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { b.stop() })
	return b
}

func (b *testBox) socket(kind string) string {
	return filepath.Join(hosted(b.data).run(), kind+".sock")
}

func call[S, Q, A any](t *testing.T, c *contract.Client[S], method func(S, context.Context, *Q) (*A, error), request *Q) *A {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := contract.Call(ctx, c, method, request)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func put(t *testing.T, store *contract.Client[contract.FetcherService], q *contract.PutRequest) {
	t.Helper()
	answer := call(t, store, contract.FetcherService.PutAll, &contract.PutAllRequest{Puts: []*contract.PutRequest{q}})
	if _, err := answer.Answers[0].Take(); err != nil {
		t.Fatal(err)
	}
}

// enrol has a client log in for the first time, and the provider accept it.
func (b *testBox) enrol(t *testing.T, name string) (id []byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	look := contract.Watch(ctx, b.fetcher, contract.Topic_TOPIC_VERIFICATIONS)
	var fetcher sync.WaitGroup
	defer fetcher.Wait()
	defer cancel()
	fetcher.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-look:
			}
			// No call is cut off: the store would have given out what nobody got.
			v, err := contract.Call(t.Context(), b.fetcher, contract.FetcherService.TakeVerification, &contract.TakeVerificationRequest{})
			if err == nil && !v.None {
				answer := &contract.AnswerVerificationRequest{Id: v.Id, Verified: contract.Verified_VERIFIED_ACCEPTED}
				_, err = contract.Call(t.Context(), b.fetcher, contract.FetcherService.AnswerVerification, answer)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	login := call(t, b.pop3, contract.Pop3Client.Login, &contract.LoginRequest{Name: name, Password: "marked-password", Address: "127.0.0.1"})
	if login.Outcome != contract.LoginResponse_ACCEPTED {
		t.Fatalf("login of %q: %v", name, login)
	}
	return login.Account
}

// put stores a mail in the In Queue.
func (b *testBox) put(t *testing.T, account, body []byte) {
	t.Helper()
	b.keys++
	mail := &contract.PutMail{
		Key: bytes.Repeat([]byte{b.keys}, 16), Uidl: fmt.Appendf(nil, "u%d", b.keys), Size: uint64(len(body)), HeaderDigest: make([]byte, 32),
	}
	if len(body) > contract.MaxPut {
		mail.Upload = call(t, b.fetcher, contract.FetcherService.BeginUpload, &contract.BeginUploadRequest{Account: account}).Upload
		for at := 0; at < len(body); at += contract.MaxPut {
			call(t, b.fetcher, contract.FetcherService.AppendUpload, &contract.AppendUploadRequest{
				Upload: mail.Upload, Offset: uint64(at), Chunk: body[at:min(len(body), at+contract.MaxPut)],
			})
		}
	} else {
		mail.Body = body
	}
	put(t, b.fetcher, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{mail}})
}

const prefix = "X-Postroom-Verdict: deliver\r\n"

// validate moves all that is in the In Queue to its Out Queue.
func (b *testBox) validate(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const worker = 7
	<-contract.Work(ctx, b.validator, worker)
	for {
		m := call(t, b.validator, contract.ValidatorClient.Take, &contract.TakeRequest{Worker: worker})
		if m.None {
			return
		}
		call(t, b.validator, contract.ValidatorClient.Settle, &contract.SettleRequest{
			Worker: worker, Id: m.Id, Verdict: contract.VerdictDeliver, Prefix: []byte(prefix),
		})
	}
}

// poll has a client retrieve all that is in an Out Queue.
func (b *testBox) poll(t *testing.T, account []byte) {
	t.Helper()
	box := call(t, b.pop3, contract.Pop3Client.OpenMailbox, &contract.OpenMailboxRequest{Account: account})
	end := &contract.EndPollRequest{Account: account}
	for _, m := range box.Messages {
		end.Leave = append(end.Leave, m.Id)
	}
	call(t, b.pop3, contract.Pop3Client.EndPoll, end)
}

// result is what a run of the command gave.
type result struct {
	status   int
	out, err string
}

func postroom(t *testing.T, data string, args ...string) result {
	t.Helper()
	return postroomWith(t, data, "", args...)
}

func postroomWith(t *testing.T, data, input string, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	status := run(t.Context(), args, data, strings.NewReader(input), &out, &errors)
	return result{status, out.String(), errors.String()}
}

// on runs the command for the box, and wants it to succeed.
func (b *testBox) on(t *testing.T, args ...string) string {
	t.Helper()
	r := postroom(t, b.data, args...)
	if r.status != 0 || r.err != "" {
		t.Fatalf("postroom %q: exit status %d, %s", args, r.status, r.err)
	}
	return r.out
}
