package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postroom/init/supervisor"
	"postroom/services/contract"
	"postroom/services/settings"
)

// startServers starts the services that listen, and follows the settings from then on. Hosted, an address that
// can't be listened at ends the start; the appliance tries again, for an address may be on its way.
func (m *Manager) startServers(ctx context.Context, in *settings.Settings) error {
	for _, s := range servers {
		err := m.serve(ctx, s, in, m.supervisor.Add)
		if err != nil && m.cfg.Hosted {
			return err
		}
		if err == nil && s.name == pop3 {
			m.giveHeadStart(ctx, s.name)
		}
	}
	m.tellListening()
	go m.follow(ctx, in)
	return nil
}

// headStart is the longest that other services wait for the one that people wait for: programs that start side by
// side on few processors are all slow.
const headStart = 3 * time.Second

func (m *Manager) giveHeadStart(ctx context.Context, service string) {
	ctx, cancel := context.WithTimeout(ctx, headStart)
	defer cancel()
	m.supervisor.WaitReady(ctx, service) // if it doesn't get there, the others start all the same
}

// again is how soon sockets that could not be opened are tried again.
const again = 5 * time.Second

// follow has services listen where the settings say, until ctx ends.
func (m *Manager) follow(ctx context.Context, in *settings.Settings) {
	changes := make(chan *settings.Settings)
	go contract.FollowSettings(ctx, m.store, func(s *settings.Settings) {
		select {
		case changes <- s:
		case <-ctx.Done():
		}
	})
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case in = <-changes:
			if m.cfg.OnSettings != nil {
				m.cfg.OnSettings(in)
			}
		case <-retry.C:
		}
		if err := m.listenAnew(ctx, in); err != nil && ctx.Err() == nil {
			m.cfg.Log.Error("a service does not listen where the settings say", "err", err)
			retry.Reset(again)
		}
	}
}

// listenAnew replaces each service whose addresses are not those of the settings.
func (m *Manager) listenAnew(ctx context.Context, in *settings.Settings) error {
	var errs []error
	changed := false
	for _, s := range servers {
		var err error
		if have, started := m.open[s.name]; !started || !sameSockets(have, s.where(in)) {
			begin := m.supervisor.Replace
			if !started {
				begin = m.supervisor.Add
			}
			err = m.serve(ctx, s, in, begin)
			changed = changed || err == nil
		}
		errs = append(errs, err, m.keepCondition(ctx, s.name, err))
	}
	if changed {
		m.tellListening()
	}
	return errors.Join(errs...)
}

// serve opens the server's sockets, those that it has already taken over, and begins a service with them.
func (m *Manager) serve(ctx context.Context, s server, in *settings.Settings, begin func(context.Context, supervisor.Service) error) error {
	where := s.where(in)
	service := m.service(s.name, s.more(m)...)
	for i := range where {
		socket, err := m.listen(s.name, &where[i])
		if err != nil {
			for _, opened := range service.Sockets {
				if !m.holds(s.name, opened) {
					err = errors.Join(err, opened.File.Close())
				}
			}
			return err
		}
		service.Sockets = append(service.Sockets, socket)
	}
	if err := begin(ctx, service); err != nil {
		return err
	}
	m.open[s.name] = where
	return nil
}

// listen gives the socket for an address: the one that is open there, else a new one.
func (m *Manager) listen(service string, at *Listening) (supervisor.Socket, error) {
	for _, have := range m.open[service] {
		if have.Setting == at.Setting && have.configured == at.configured {
			*at = have
			return have.socket, nil
		}
	}
	socket, err := supervisor.Listen(at.Setting, at.configured)
	if err != nil {
		return socket, fmt.Errorf("setting %s: %w", at.Setting, err)
	}
	at.Address, at.socket = socket.Address, socket
	return socket, nil
}

func (m *Manager) holds(service string, socket supervisor.Socket) bool {
	for _, have := range m.open[service] {
		if have.socket.File == socket.File {
			return true
		}
	}
	return false
}

// keepCondition has the store say that a server doesn't listen where the settings say, or that it does: settings
// that name another address end the condition too, and one that an earlier run left.
func (m *Manager) keepCondition(ctx context.Context, service string, problem error) error {
	c := &contract.Condition{Name: contract.ConditionService, Subject: service}
	if problem != nil {
		c.Text = problem.Error()
	}
	if told, known := m.told[service]; known && told == c.Text {
		return nil
	}
	_, err := contract.Call(ctx, m.store.Common(), contract.CommonClient.SetCondition, &contract.SetConditionRequest{
		Condition: c, Clear: problem == nil,
	})
	if err == nil {
		m.told[service] = c.Text
	}
	return err
}

func (m *Manager) tellListening() {
	if m.cfg.OnListening == nil {
		return
	}
	var list []Listening
	for _, s := range servers {
		list = append(list, m.open[s.name]...)
	}
	m.cfg.OnListening(list)
}
