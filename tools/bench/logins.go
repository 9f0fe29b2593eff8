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

// loginClients is how many clients log in at once, each to a mailbox of its own.
const loginClients = 8

// benchLogins measures logins of known accounts with empty mailboxes beside Dovecot's: connect, USER, PASS, STAT, QUIT,
// until the server has closed the connection.
func benchLogins(ctx context.Context, cfg config) (err error) {
	dovecot, err := provider.Start(ctx, provider.Config{Dir: filepath.Join(cfg.dir, "provider"), Names: []string{retrHost}, Tuned: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dovecot.Stop()) }()
	for n := range loginClients {
		if err := errors.Join(dovecot.AddUser(ctx, kept(n), retrPassword), dovecot.AddUser(ctx, moved(n), retrPassword)); err != nil {
			return err
		}
	}
	box, err := startBox(ctx, cfg, filepath.Join(cfg.dir, "box"), retrSettings(dovecot))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	if err := firstPolls(box, loginClients); err != nil {
		return err
	}
	t := newTable(fmt.Sprintf("Logins, %d clients at once: medians of %d rounds, ratios round by round", loginClients, cfg.rounds),
		"TLS", "box logins/s", "CPU each", "pop3", "store", "Dovecot logins/s", "CPU each", "ratio", "least–most", "CPU ratio")
	for _, pair := range [][2]retrServer{
		{{box.plain, boxName, true}, {dovecot.Addr().String(), kept, true}},
		{{box.tls, boxName, false}, {dovecot.AddrTLS().String(), kept, false}},
	} {
		var own, other, ownCPU, popCPU, storeCPU, otherCPU series
		for round := range cfg.rounds + 1 {
			rates, cpu, err := loginRound(ctx, pair, []side{boxSide(), boxSide("pop3"), boxSide("store"), dovecotSide(dovecot)}, cfg.turn)
			if err != nil {
				return err
			}
			if round == 0 { // warms up
				continue
			}
			own, other = append(own, rates[0].rate()), append(other, rates[1].rate())
			ownCPU, popCPU, storeCPU = append(ownCPU, perOne(cpu[0], rates[0])), append(popCPU, perOne(cpu[1], rates[0])), append(storeCPU, perOne(cpu[2], rates[0]))
			otherCPU = append(otherCPU, perOne(cpu[3], rates[1]))
		}
		ratio := own.over(other)
		t.row(fmt.Sprint(!pair[0].plain), fmt.Sprintf("%.0f", own.median()), micros(ownCPU), micros(popCPU), micros(storeCPU),
			fmt.Sprintf("%.0f", other.median()), micros(otherCPU),
			fmt.Sprintf("%.2f", ratio.median()), ratio.spread("%.2f"), fmt.Sprintf("%.2f", ownCPU.over(otherCPU).median()))
	}
	return t.end()
}

// perOne is in microseconds.
func perOne(cpu time.Duration, p pace) float64 {
	return float64(cpu.Microseconds()) / float64(p.bodies)
}

func micros(s series) string { return fmt.Sprintf("%.0f µs", s.median()) }

// firstPolls makes the box's accounts.
func firstPolls(box *hostedBox, count int) error {
	for n := range count {
		c, err := dialPOP3(box.tls, boxName(n), retrPassword, false)
		if err != nil {
			return err
		}
		if err := c.leave(); err != nil {
			return err
		}
	}
	return nil
}

// loginRound has both sides' clients log in, in turns, and gives how many did, and the CPU time that the named
// processes took for it.
func loginRound(ctx context.Context, pair [2]retrServer, measured []side, turn time.Duration) (done [2]pace, cpu []time.Duration, err error) {
	cpu = make([]time.Duration, len(measured))
	for i, m := range measured {
		if cpu[i], err = m.cpu(); err != nil {
			return done, nil, err
		}
	}
	for range alternations {
		for i, s := range pair {
			one, err := s.logins(ctx, turn/alternations)
			if err != nil {
				return done, nil, err
			}
			done[i].add(one)
		}
	}
	for i, m := range measured {
		now, err := m.cpu()
		if err != nil {
			return done, nil, err
		}
		cpu[i] = now - cpu[i]
	}
	return done, cpu, nil
}

// loginBuffer is enough for every answer, octets.
const loginBuffer = 4 << 10

// logins has the clients log in, one time after the other, for one turn.
func (s retrServer) logins(ctx context.Context, turn time.Duration) (p pace, err error) {
	counts, errs := make([]int, loginClients), make([]error, loginClients)
	var all sync.WaitGroup
	began := time.Now()
	for n := range loginClients {
		all.Go(func() {
			buffer := make([]byte, loginBuffer)
			for time.Since(began) < turn && ctx.Err() == nil && errs[n] == nil {
				errs[n] = s.poll(buffer, n)
				counts[n]++
			}
		})
	}
	all.Wait()
	p.took = time.Since(began)
	for _, n := range counts {
		p.bodies += n
	}
	return p, errors.Join(append(errs, context.Cause(ctx))...)
}

// poll is one poll of an empty mailbox.
func (s retrServer) poll(buffer []byte, n int) error {
	c, err := dialWith(buffer, s.address, s.user(n), retrPassword, s.plain)
	if err != nil {
		return err
	}
	if _, err := c.command("STAT\r\n"); err != nil {
		c.Close() // the error says more
		return err
	}
	return c.leave()
}
