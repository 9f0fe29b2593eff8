package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"postroom/tools/provider"
)

// mixWindow is how many RETR a client that pipelines has under way.
const mixWindow = 16

// benchMix measures RETR of the mix from a box beside Dovecot, as benchRetr does, lock-step and pipelined.
func benchMix(ctx context.Context, cfg config) (err error) {
	dovecot, err := provider.Start(ctx, provider.Config{Dir: filepath.Join(cfg.dir, "provider"), Names: []string{retrHost}, Tuned: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dovecot.Stop()) }()
	mails := mailMix(cfg.mails)
	for n := range maxConnections {
		for _, user := range []string{kept(n), moved(n)} {
			if err := errors.Join(dovecot.AddUser(ctx, user, retrPassword), dovecot.Fill(user, mails)); err != nil {
				return err
			}
		}
	}
	box, err := startBox(ctx, cfg, filepath.Join(cfg.dir, "box"), retrSettings(dovecot))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	if err := moveMail(ctx, box, len(mails)); err != nil {
		return err
	}
	pair := [2]retrServer{{box.plain, boxName, true}, {dovecot.Addr().String(), kept, true}}
	if err := sameMail(pair, mails); err != nil {
		return err
	}
	t := newTable(fmt.Sprintf("RETR of the mix: medians of %d rounds, ratios round by round", cfg.rounds),
		"connections", "asked ahead", "box mails/s", "MB/s", "CPU each", "Dovecot mails/s", "MB/s", "CPU each", "ratio", "least–most", "CPU ratio")
	for _, way := range []struct{ connections, window int }{{1, 1}, {maxConnections, 1}, {maxConnections, mixWindow}} {
		var rates, octets, cpu [2]series
		for round := range cfg.rounds + 1 {
			r, err := mixRound(ctx, pair, [2]side{boxSide(), dovecotSide(dovecot)}, way.connections, way.window, len(mails), cfg.turn)
			if err != nil {
				return err
			}
			for i, one := range r {
				if round > 0 { // the first one warms up
					rates[i] = append(rates[i], float64(one.mails)/one.took.Seconds())
					octets[i] = append(octets[i], float64(one.octets)/one.took.Seconds())
					cpu[i] = append(cpu[i], float64(one.cpu.Microseconds())/float64(one.mails))
				}
			}
		}
		ratio := rates[0].over(rates[1])
		t.row(fmt.Sprint(way.connections), fmt.Sprint(way.window),
			fmt.Sprintf("%.0f", rates[0].median()), megabytes(octets[0].median()), micros(cpu[0]),
			fmt.Sprintf("%.0f", rates[1].median()), megabytes(octets[1].median()), micros(cpu[1]),
			fmt.Sprintf("%.2f", ratio.median()), ratio.spread("%.2f"), fmt.Sprintf("%.2f", cpu[0].over(cpu[1]).median()))
	}
	return t.end()
}

// retrieved is what one side gave in one round.
type retrieved struct {
	mails, octets int
	took, cpu     time.Duration
}

func mixRound(ctx context.Context, pair [2]retrServer, measured [2]side, connections, window, messages int, turn time.Duration) (r [2]retrieved, err error) {
	var open [2]*retrSessions
	for i, s := range pair {
		if open[i], err = s.open(connections, messages); err != nil {
			return r, err
		}
		defer open[i].close()
	}
	for i, m := range measured {
		if r[i].cpu, err = m.cpu(); err != nil {
			return r, err
		}
	}
	for range alternations {
		for i, s := range open {
			if err := s.mix(ctx, window, turn/alternations, &r[i]); err != nil {
				return r, err
			}
		}
	}
	for i, m := range measured {
		now, err := m.cpu()
		if err != nil {
			return r, err
		}
		r[i].cpu = now - r[i].cpu
	}
	return r, nil
}

// mix has each session retrieve its messages in their order, over and over, for one turn.
func (s *retrSessions) mix(ctx context.Context, window int, turn time.Duration, sum *retrieved) error {
	got, errs := make([]retrieved, len(s.clients)), make([]error, len(s.clients))
	var all sync.WaitGroup
	began := time.Now()
	for n, c := range s.clients {
		all.Go(func() {
			at := s.next
			got[n].octets, got[n].mails, errs[n] = c.pipeline(window, func() (int, bool) {
				at++
				return (at-1)%s.messages + 1, time.Since(began) < turn && ctx.Err() == nil
			})
		})
	}
	all.Wait()
	sum.took += time.Since(began)
	for _, one := range got {
		sum.mails += one.mails
		sum.octets += one.octets
	}
	s.next += got[0].mails
	return errors.Join(append(errs, context.Cause(ctx))...)
}
