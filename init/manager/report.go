package manager

import (
	"context"
	"time"

	"postroom/init/supervisor"
	"postroom/services/contract"
)

// reportEvery is how often what services hold in memory is reported.
const reportEvery = 15 * time.Second

// report tells the store what the supervisor sees, for status: at each change, and again after the store was
// away.
func (m *Manager) report(ctx context.Context) {
	changes, stop, err := m.supervisor.Watch(ctx)
	if err != nil {
		return // it is stopping
	}
	defer stop()
	store := contract.Watch(ctx, m.store, contract.Topic_TOPIC_SETTINGS)
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-store:
		case <-ticker.C:
		}
		q := &contract.ReportServicesRequest{Ready: true}
		status := m.supervisor.Status(ctx)
		if m.cfg.OnStatus != nil && status != nil {
			m.cfg.OnStatus(status)
		}
		for _, s := range status {
			q.Services = append(q.Services, &contract.ServiceStatus{
				Name: s.Name, State: string(s.State), Restarts: uint32(s.Restarts), Memory: s.Memory,
			})
			q.Ready = q.Ready && s.State == supervisor.Ready
		}
		call, cancel := context.WithTimeout(ctx, reportEvery)
		_, err := contract.Call(call, m.store, contract.InitService.ReportServices, q)
		cancel()
		if err != nil && ctx.Err() == nil {
			m.cfg.Log.Warn("services are not reported", "err", err)
		}
	}
}

// reportClock tells the store whether the clock is good, again after the store was away.
func (m *Manager) reportClock(ctx context.Context) {
	good := m.cfg.Clock == nil
	store := contract.Watch(ctx, m.store, contract.Topic_TOPIC_SETTINGS)
	for {
		select {
		case <-ctx.Done():
			return
		case good = <-m.cfg.Clock:
		case <-store:
		}
		_, err := contract.Call(ctx, m.store, contract.InitService.ReportClock, &contract.ReportClockRequest{Good: good})
		if err != nil && ctx.Err() == nil {
			m.cfg.Log.Warn("clock is not reported", "err", err)
		}
	}
}

func (m *Manager) sayReady(ctx context.Context) {
	if m.supervisor.WaitReady(ctx) == nil && m.cfg.OnReady != nil {
		m.cfg.OnReady()
	}
}
