package contract

import (
	"context"

	"github.com/containerd/ttrpc"
)

// Submitter takes the mails of many goroutines into the Transport Queue in few calls. Submit may be called from many
// goroutines.
type Submitter struct{ together[*SubmitMail, uint64] }

// NewSubmitter gives one that submits to store.
func NewSubmitter(store *Client[SmtpClient]) *Submitter {
	s := &Submitter{}
	s.call = func(ctx context.Context, list []*SubmitMail) (ends []end[uint64], err error) {
		answer, err := Call(ctx, store, SmtpClient.SubmitAll, &SubmitAllRequest{Mails: list})
		for _, a := range answer.GetAnswers() {
			id, err := a.Take()
			ends = append(ends, end[uint64]{id, err})
		}
		return ends, err
	}
	return s
}

// Submit takes one mail, as Smtp.SubmitAll says, and gives its id. It is repeated as Call repeats. The error is the
// store's, or ctx's; then it may still happen.
func (s *Submitter) Submit(ctx context.Context, m *SubmitMail) (uint64, error) { return s.do(ctx, m) }

// AnswerSubmit gives the form of a mail's end in SubmitAllResponse.
func AnswerSubmit(id uint64, err error) *SubmitAnswer {
	code, text := codeOf(err)
	if code != 0 {
		id = 0
	}
	return &SubmitAnswer{Id: id, Code: code, Text: text}
}

// Take gives a mail's end: what AnswerSubmit was given.
func (a *SubmitAnswer) Take() (uint64, error) { return a.Id, errorOf(a.Code, a.Text) }

// Deliver is Watch for a queue runner's life line.
func Deliver(ctx context.Context, c *Client[SmtpClient], runner uint64) <-chan struct{} {
	return follow(ctx, c.conn, func(ctx context.Context, client *ttrpc.Client) (stream, error) {
		return c.bind(client).Deliver(ctx, &DeliverRequest{Runner: runner})
	})
}
