package powercut

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"postroom/services/contract"
	"postroom/services/store"
)

// callers are the sockets that are used.
var callers = []string{"pop3", "smtp", "fetcher", "validator", "admin", "init"}

// Place says where a store is and in which boot and time it lives.
type Place struct {
	Data, Key string // its folder, and the machine key's file
	Run       string // the sockets' folder; its path is short
	Boot      string
	Ahead     time.Duration // of the system's clock

	CheckpointAfter int64
}

// Open opens the store there and serves its sockets until close.
func (p Place) Open(log *slog.Logger) (s *store.Store, close func() error, err error) {
	ctx := context.Background()
	s, err = store.Open(ctx, store.Config{
		Dir: p.Data, KeyFile: p.Key, CreateKey: true, Boot: p.Boot, Hosted: true, Log: log, CheckpointAfter: p.CheckpointAfter,
		Now: func() time.Time { return time.Now().Add(p.Ahead) },
	})
	if err != nil {
		return nil, nil, err
	}
	listeners := make(map[string][]net.Listener)
	for _, caller := range callers {
		name := p.socket(caller)
		os.Remove(name) // of a store that was killed
		l, err := net.Listen("unix", name)
		if err != nil {
			return nil, nil, err
		}
		listeners[caller] = []net.Listener{l}
	}
	stop, err := s.Serve(ctx, listeners)
	if err != nil {
		return nil, nil, err
	}
	return s, func() error { stop(); return s.Close() }, nil
}

func (p Place) socket(caller string) string { return filepath.Join(p.Run, caller) }

// Box is what callers have of a store: its sockets.
type Box struct {
	pop3      *contract.Client[contract.Pop3Client]
	smtp      *contract.Client[contract.SmtpClient]
	fetcher   *contract.Client[contract.FetcherService]
	validator *contract.Client[contract.ValidatorClient]
	admin     *contract.Client[contract.AdminService]
	init      *contract.Client[contract.InitService]
}

// Dial gives the callers of the store there.
func (p Place) Dial() *Box {
	return &Box{
		pop3:      contract.NewClient(p.socket("pop3"), contract.NewPop3Client),
		smtp:      contract.NewClient(p.socket("smtp"), contract.NewSmtpClient),
		fetcher:   contract.NewClient(p.socket("fetcher"), contract.NewFetcherClient),
		validator: contract.NewClient(p.socket("validator"), contract.NewValidatorClient),
		admin:     contract.NewClient(p.socket("admin"), contract.NewAdminClient),
		init:      contract.NewClient(p.socket("init"), contract.NewInitClient),
	}
}

// Close ends the connections.
func (b *Box) Close() {
	b.pop3.Close() // with a store that is gone they ended already
	b.smtp.Close()
	b.fetcher.Close()
	b.validator.Close()
	b.admin.Close()
	b.init.Close()
}

const password = "s3cret"

// enrol has a client log in to an account for the first time, and its provider accept that.
func (b *Box) enrol(ctx context.Context, name string) (id []byte, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		login *contract.LoginResponse
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		login, err := contract.Call(ctx, b.pop3, contract.Pop3Client.Login, &contract.LoginRequest{Name: name, Password: password, Address: "127.0.0.1"})
		answers <- answer{login, err}
	}()
	look := contract.Watch(ctx, b.fetcher, contract.Topic_TOPIC_VERIFICATIONS)
	for {
		select {
		case a := <-answers:
			if a.err != nil {
				return nil, fmt.Errorf("enrol %s: %w", name, a.err)
			}
			if a.login.Outcome != contract.LoginResponse_ACCEPTED {
				return nil, fmt.Errorf("enrol %s: %s", name, a.login.Text)
			}
			return a.login.Account, nil
		case <-look:
			v, err := contract.Call(ctx, b.fetcher, contract.FetcherService.TakeVerification, &contract.TakeVerificationRequest{})
			if err == nil && !v.None {
				_, err = contract.Call(ctx, b.fetcher, contract.FetcherService.AnswerVerification, &contract.AnswerVerificationRequest{
					Id: v.Id, Verified: contract.Verified_VERIFIED_ACCEPTED,
				})
			}
			if err != nil {
				cancel()
				<-answers
				return nil, fmt.Errorf("verify %s: %w", name, err)
			}
		}
	}
}

// put puts mails of one account, by their keys; a large one is uploaded.
func (b *Box) put(ctx context.Context, account []byte, mails ...*Mail) ([]*contract.PutResult, error) {
	q := &contract.PutRequest{Account: account}
	for _, m := range mails {
		p := &contract.PutMail{Key: m.Key, Uidl: m.uidl(), Size: uint64(len(m.Octets)), HeaderDigest: make([]byte, 32), Body: m.Octets}
		if m.Large {
			upload, err := uploadTo(ctx, b.fetcher, contract.FetcherService.BeginUpload, contract.FetcherService.AppendUpload, account, m.Octets)
			if err != nil {
				return nil, err
			}
			p.Body, p.Upload = nil, upload
		}
		q.Mails = append(q.Mails, p)
	}
	answer, err := contract.NewPutter(b.fetcher).Put(ctx, q)
	return answer.GetResults(), err
}

const chunk = 400 << 10 // octets of an upload in one call

// uploadTo uploads a body, as the fetcher or as smtp.
func uploadTo[S any](
	ctx context.Context, c *contract.Client[S],
	begin func(S, context.Context, *contract.BeginUploadRequest) (*contract.BeginUploadResponse, error),
	more func(S, context.Context, *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error),
	account, octets []byte,
) (uint64, error) {
	begun, err := contract.Call(ctx, c, begin, &contract.BeginUploadRequest{Account: account})
	if err != nil {
		return 0, err
	}
	for at := 0; at < len(octets); at += chunk {
		_, err := contract.Call(ctx, c, more, &contract.AppendUploadRequest{
			Upload: begun.Upload, Offset: uint64(at), Chunk: octets[at:min(at+chunk, len(octets))],
		})
		if err != nil {
			return 0, err
		}
	}
	return begun.Upload, nil
}

const prefix = "X-Postroom-Verdict: deliver\r\n"

func (b *Box) settle(ctx context.Context, id uint64) error {
	_, err := contract.Call(ctx, b.validator, contract.ValidatorClient.Settle, &contract.SettleRequest{Id: id, Verdict: contract.VerdictDeliver, Prefix: []byte(prefix)})
	return err
}

func (b *Box) endPoll(ctx context.Context, account []byte, leave ...uint64) error {
	_, err := contract.Call(ctx, b.pop3, contract.Pop3Client.EndPoll, &contract.EndPollRequest{Account: account, Leave: leave})
	return err
}

func (b *Box) mark(ctx context.Context, account []byte, state contract.LedgerState, ids ...uint64) error {
	q := &contract.MarkLedgerRequest{Account: account}
	for _, id := range ids {
		q.Marks = append(q.Marks, &contract.LedgerMark{Id: id, State: state})
	}
	_, err := contract.Call(ctx, b.fetcher, contract.FetcherService.MarkLedger, q)
	return err
}

func (b *Box) apply(ctx context.Context, text string) error {
	answer, err := contract.Call(ctx, b.admin, contract.AdminService.ApplySettings, &contract.ApplySettingsRequest{File: "test", Text: []byte(text)})
	if err == nil && answer.Problem != "" {
		return fmt.Errorf("settings: %s", answer.Problem)
	}
	return err
}

// mailbox gives an account's Out Queue.
func (b *Box) mailbox(ctx context.Context, account []byte) (list []*contract.MailboxMessage, err error) {
	for after := uint64(0); ; after = list[len(list)-1].Id {
		answer, err := contract.Call(ctx, b.pop3, contract.Pop3Client.OpenMailbox, &contract.OpenMailboxRequest{Account: account, After: after})
		if err != nil {
			return nil, err
		}
		list = append(list, answer.Messages...)
		if !answer.More {
			return list, nil
		}
	}
}

// keyOf is the key that a mail is put by.
func keyOf(number int) []byte {
	return binary.BigEndian.AppendUint64([]byte("powercut"), uint64(number))
}
