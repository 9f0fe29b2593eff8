package contract

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Putter makes the puts of many goroutines in few calls. Put may be called from many goroutines.
type Putter struct {
	together[*PutRequest, *PutResponse]
}

// NewPutter gives one that puts by store.
func NewPutter(store *Client[FetcherService]) *Putter {
	p := &Putter{}
	p.call = func(ctx context.Context, list []*PutRequest) (ends []end[*PutResponse], err error) {
		answer, err := Call(ctx, store, FetcherService.PutAll, &PutAllRequest{Puts: list})
		for _, a := range answer.GetAnswers() {
			response, err := a.Take()
			ends = append(ends, end[*PutResponse]{response, err})
		}
		return ends, err
	}
	return p
}

// Put puts one account's mails, as FetcherService.PutAll says. It is repeated as Call repeats. The error is the
// store's, or ctx's; then the put may still happen.
func (p *Putter) Put(ctx context.Context, q *PutRequest) (*PutResponse, error) { return p.do(ctx, q) }

// AnswerPut gives the form of a put's end in PutAllResponse.
func AnswerPut(answer *PutResponse, err error) *PutAnswer {
	code, text := codeOf(err)
	if code != 0 {
		answer = nil
	}
	return &PutAnswer{Response: answer, Code: code, Text: text}
}

// Take gives a put's end: what AnswerPut was given.
func (a *PutAnswer) Take() (*PutResponse, error) { return a.Response, errorOf(a.Code, a.Text) }

// codeOf and errorOf carry the error of one of several requests across the border, as a call's own is.
func codeOf(err error) (code uint32, text string) {
	if err == nil {
		return 0, ""
	}
	s := status.Convert(ToStatus(err))
	return uint32(s.Code()), s.Message()
}

func errorOf(code uint32, text string) error {
	if code == 0 {
		return nil
	}
	return FromStatus(status.Error(codes.Code(code), text))
}
