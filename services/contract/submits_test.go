package contract

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
)

// fakeSubmits takes mails: with the length of the body as id, and those without one by an error of their own.
type fakeSubmits struct{ SmtpService }

func (fakeSubmits) SubmitAll(_ context.Context, q *SubmitAllRequest) (*SubmitAllResponse, error) {
	answer := &SubmitAllResponse{}
	for _, m := range q.Mails {
		if len(m.Body) == 0 {
			answer.Answers = append(answer.Answers, AnswerSubmit(7, fmt.Errorf("no body: %w", ErrFull)))
		} else {
			answer.Answers = append(answer.Answers, AnswerSubmit(uint64(len(m.Body)), nil))
		}
	}
	return answer, nil
}

func TestSubmitsGoTogether(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServer()
	if err != nil {
		t.Fatal(err)
	}
	RegisterSmtpService(server, fakeSubmits{})
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(context.Background(), l) }) // ends with Close
	client := NewClient(path, NewSmtpClient)
	t.Cleanup(func() {
		client.Close()
		server.Close()
		serving.Wait()
	})
	s := NewSubmitter(client)
	var submits sync.WaitGroup
	for n := range 50 {
		submits.Go(func() {
			id, err := s.Submit(t.Context(), &SubmitMail{Body: make([]byte, n)})
			switch {
			case n == 0 && (id != 0 || !errors.Is(err, ErrFull)):
				t.Errorf("without a body: %d, %v; want what the store says of it", id, err)
			case n > 0 && (err != nil || id != uint64(n)):
				t.Errorf("%d octets got %d, %v", n, id, err)
			}
		})
	}
	submits.Wait()
}
