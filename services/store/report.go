package store

import (
	"bytes"
	"context"
	"fmt"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
)

// ReportServices takes what the supervisor says of the services, for status.
func (i initService) ReportServices(_ context.Context, q *contract.ReportServicesRequest) (*contract.ReportServicesResponse, error) {
	i.reportMu.Lock()
	defer i.reportMu.Unlock()
	i.report = q
	return &contract.ReportServicesResponse{}, nil
}

// ReportClock takes init's word for the clock.
func (i initService) ReportClock(ctx context.Context, q *contract.ReportClockRequest) (*contract.ReportClockResponse, error) {
	i.clock.report(q.Good)
	err := i.keepCondition(ctx, !q.Good, contract.ConditionClock, "",
		"the clock is not known to be good: nothing expires until network time agrees")
	return &contract.ReportClockResponse{}, err
}

func (i initService) GetStatus(_ context.Context, q *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
	return i.status(q.GetCursor())
}

// admin serves the admin service.
type admin struct{ *Store }

func (a admin) GetStatus(_ context.Context, q *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
	return a.status(q.GetCursor())
}

// statusPerCall bounds an answer of GetStatus, octets.
const statusPerCall = 1 << 20

// Cursors of GetStatus: behind which account, or which condition, it goes on.
const (
	cursorAccount   = 'a'
	cursorCondition = 'c'
)

// status gives what fits into one answer: behind no cursor all that is there once, then accounts, then conditions.
func (s *Store) status(cursor []byte) (*contract.GetStatusResponse, error) {
	answer := &contract.GetStatusResponse{}
	var account, condition []byte // where to go on
	switch {
	case len(cursor) == 0:
	case cursor[0] == cursorAccount:
		account = cursor[1:]
	case cursor[0] == cursorCondition:
		condition = cursor[1:]
	default:
		return nil, fmt.Errorf("%w: cursor %x", contract.ErrInvalid, cursor)
	}
	err := s.db.View(func(r *engine.Reader) (err error) {
		if len(cursor) == 0 {
			if err := s.once(r, answer); err != nil {
				return err
			}
		}
		room := statusPerCall
		if condition == nil {
			if answer.Accounts, account, err = s.accountStatuses(r, account, &room); err != nil {
				return err
			}
			if account != nil {
				answer.Cursor = append([]byte{cursorAccount}, account...)
				return nil
			}
		}
		if answer.Conditions, condition, err = listConditions(r, condition, &room); err != nil {
			return err
		}
		if condition != nil {
			answer.Cursor = append([]byte{cursorCondition}, condition...)
		}
		return nil
	})
	return answer, err
}

// once fills in what there is one of.
func (s *Store) once(r *engine.Reader, answer *contract.GetStatusResponse) (err error) {
	answer.Version = s.cfg.Version
	s.reportMu.Lock()
	if s.report != nil {
		answer.Ready, answer.Services = s.report.Ready, s.report.Services
	}
	s.reportMu.Unlock()
	if answer.Queues, err = queueStatus(r, nil); err != nil {
		return err
	}
	var total rows.Total
	_, err = r.Load(engine.Totals, totalKey(engine.Transport, nil), &total)
	answer.Queues = append(answer.Queues, &contract.QueueStatus{Queue: contract.QueueTransport, Messages: total.Messages, Octets: total.Octets})
	return err
}

// accountStatuses gives the accounts behind a key, as many as there is room for; where there are more, the last one's key.
func (s *Store) accountStatuses(r *engine.Reader, after []byte, room *int) (list []*contract.AccountStatus, last []byte, err error) {
	for key := range r.Scan(engine.Accounts, nil, after) {
		if *room <= 0 {
			return list, last, nil
		}
		a, err := loadAccount(r, accountID(key))
		if err != nil {
			return nil, nil, err
		}
		status, err := s.accountStatus(r, a)
		if err != nil {
			return nil, nil, err
		}
		list, last = append(list, status), bytes.Clone(key)
		*room -= proto.Size(status)
	}
	return list, nil, nil
}

func (s *Store) accountStatus(r *engine.Reader, a *account) (*contract.AccountStatus, error) {
	var out rows.Total
	if _, err := r.Load(engine.Totals, totalKey(engine.Out, a.id[:]), &out); err != nil {
		return nil, err
	}
	state := "active"
	switch fetch := s.settings.Load().Fetch; {
	case a.Paused:
		state = "paused"
	case a.Refused:
		state = "refused"
	case fetch.Schedule > 0 && s.now().UnixNano()-max(a.LastPoll, a.Created) > int64(fetch.IdleAfter):
		state = "resting"
	}
	return &contract.AccountStatus{
		Account: nameOf(a.Account).String(), User: a.User, State: state,
		LastFetch: timeOf(a.LastFetch), NextFetch: timeOf(a.NextFetch),
		ProviderText: a.ProviderText, Waiting: out.Messages,
	}, nil
}

// queueStatus gives the queues' totals, of one account where it is given.
func queueStatus(r *engine.Reader, account []byte) ([]*contract.QueueStatus, error) {
	var list []*contract.QueueStatus
	for _, q := range queues {
		var total rows.Total
		if _, err := r.Load(engine.Totals, totalKey(q.bucket, account), &total); err != nil {
			return nil, err
		}
		list = append(list, &contract.QueueStatus{Queue: q.name, Messages: total.Messages, Octets: total.Octets})
	}
	return list, nil
}
