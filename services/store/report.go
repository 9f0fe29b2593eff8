package store

import (
	"context"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
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

func (i initService) GetStatus(context.Context, *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
	return i.status()
}

// admin serves the admin service.
type admin struct{ *Store }

func (a admin) GetStatus(context.Context, *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
	return a.status()
}

func (s *Store) status() (*contract.GetStatusResponse, error) {
	answer := &contract.GetStatusResponse{Version: s.cfg.Version}
	s.reportMu.Lock()
	if s.report != nil {
		answer.Ready, answer.Services = s.report.Ready, s.report.Services
	}
	s.reportMu.Unlock()
	err := s.db.View(func(r *engine.Reader) (err error) {
		for key := range r.Scan(engine.Accounts, nil, nil) {
			a, err := loadAccount(r, accountID(key))
			if err != nil {
				return err
			}
			status, err := s.accountStatus(r, a)
			if err != nil {
				return err
			}
			answer.Accounts = append(answer.Accounts, status)
		}
		if answer.Queues, err = queueStatus(r, nil); err != nil {
			return err
		}
		answer.Conditions, err = listConditions(r)
		return err
	})
	return answer, err
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
