package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"postroom/services/contract"
)

// submitSettings have a box take mail from loopback and send it to a relay.
func submitSettings(relay netip.AddrPort) string {
	return fmt.Sprintf(`
[pop3]
listen = []
listen_tls = ["127.0.0.1:0"]

[smtp]
listen = ["127.0.0.1:0"]
listen_submission = []
listen_tls = []
max_connections_per_address = 100

[console]
listen = ["127.0.0.1:0"]

[[trusted_network]]
name = "this machine"
cidr = "127.0.0.0/8"

[[transport_rule]]
name = "all"
relay = %q
tls = "none"
`, relay)
}

// mailServer is one that is measured.
type mailServer struct {
	address string
	side    side
}

// benchSubmit measures taking mail in beside Postfix, both with all that they took kept in the queue; then sending it on.
func benchSubmit(ctx context.Context, cfg config) (err error) {
	// The box's relay never says a word, so what was taken waits for it.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer silent.Close()
	t := newTable(fmt.Sprintf("Mail taken in, queue held: medians of %d rounds, ratios round by round", cfg.rounds),
		"octets", "connections", "box mails/s", "CPU each", "Postfix mails/s", "CPU each", "ratio", "least–most", "CPU ratio",
		"p99 of the 250, box", "Postfix", "ratio", "least–most")
	for _, kind := range []struct{ octets, connections int }{{4 << 10, 1}, {4 << 10, 10}, {4 << 10, 50}, {100 << 10, 10}} {
		dir := filepath.Join(cfg.dir, fmt.Sprintf("%d-%d", kind.octets, kind.connections))
		err := withBoth(ctx, cfg, dir, netip.MustParseAddrPort(silent.Addr().String()), netip.AddrPort{}, func(box *hostedBox, peer *postfix) error {
			return accepted(ctx, cfg, t, box, peer, kind.octets, kind.connections)
		})
		if err != nil {
			return err
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	if err := queuedMemory(ctx, cfg, netip.MustParseAddrPort(silent.Addr().String())); err != nil {
		return err
	}
	return relayed(ctx, cfg)
}

// withBoth runs a box that sends to one relay, beside a Postfix that sends to another, or holds all.
func withBoth(ctx context.Context, cfg config, dir string, relay, peerRelay netip.AddrPort, work func(*hostedBox, *postfix) error) (err error) {
	box, err := startBox(ctx, cfg, dir, submitSettings(relay))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	peer, err := startPostfix(ctx, dir+"-postfix", peerRelay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, peer.stop()) }()
	return work(box, peer)
}

func accepted(ctx context.Context, cfg config, t table, box *hostedBox, peer *postfix, octets, connections int) error {
	both := [2]mailServer{{box.smtp, boxSide()}, {peer.address, peer.processes}}
	var senders [2]*senders
	for i, s := range both {
		var err error
		if senders[i], err = newSenders(s.address, octets, connections); err != nil {
			return err
		}
		defer senders[i].close()
	}
	var rates, cpus, slowest [2]series
	for round := range cfg.rounds + 1 {
		var done [2]pace
		var used [2]time.Duration
		for range alternations {
			for i, s := range both {
				before, err := s.side.cpu()
				if err != nil {
					return err
				}
				one, err := senders[i].turn(ctx, cfg.turn/alternations)
				if err != nil {
					return err
				}
				after, err := s.side.cpu()
				if err != nil {
					return err
				}
				done[i].add(one)
				used[i] += after - before
			}
		}
		for i := range both {
			p99 := senders[i].p99()
			if round > 0 { // the first warms up
				rates[i] = append(rates[i], done[i].rate())
				cpus[i] = append(cpus[i], perOne(used[i], done[i]))
				slowest[i] = append(slowest[i], p99)
			}
		}
	}
	// What was answered is there.
	if held, err := peer.held(); err != nil || held != senders[1].sent {
		return errors.Join(err, fmt.Errorf("postfix holds %d mails of %d", held, senders[1].sent))
	}
	if err := box.waitQueued(ctx, senders[0].sent); err != nil {
		return err
	}
	ratio, wait := rates[0].over(rates[1]), slowest[0].over(slowest[1])
	t.row(fmt.Sprint(octets), fmt.Sprint(connections), fmt.Sprintf("%.0f", rates[0].median()), micros(cpus[0]),
		fmt.Sprintf("%.0f", rates[1].median()), micros(cpus[1]), fmt.Sprintf("%.2f", ratio.median()), ratio.spread("%.2f"),
		fmt.Sprintf("%.2f", cpus[0].over(cpus[1]).median()), fmt.Sprintf("%.1f ms", slowest[0].median()),
		fmt.Sprintf("%.1f ms", slowest[1].median()), fmt.Sprintf("%.2f", wait.median()), wait.spread("%.2f"))
	return nil
}

// waitQueued returns when so many mails are in the Transport Queue.
func (b *hostedBox) waitQueued(ctx context.Context, mails int) error {
	return b.waitStatus(ctx, func(status *contract.GetStatusResponse) bool {
		return slices.ContainsFunc(status.Queues, func(q *contract.QueueStatus) bool {
			return q.Queue == contract.QueueTransport && q.Messages == uint64(mails)
		})
	})
}

// senders are clients that stay connected to a server.
type senders struct {
	clients []*smtpClient
	mails   [][]byte // one for each client
	waits   []time.Duration
	sent    int
}

func newSenders(address string, octets, connections int) (*senders, error) {
	s := &senders{}
	for range connections {
		c, err := dialSMTP(address)
		if err != nil {
			s.close()
			return nil, err
		}
		s.clients, s.mails = append(s.clients, c), append(s.mails, stuffed(sampleMail(octets)))
	}
	return s, nil
}

func (s *senders) close() {
	for _, c := range s.clients {
		c.quit()
	}
}

// turn has all send, one mail after the other, for so long.
func (s *senders) turn(ctx context.Context, turn time.Duration) (pace, error) {
	began := time.Now()
	return s.until(func(int) bool { return time.Since(began) < turn && ctx.Err() == nil })
}

// until has all send while more says so; it's asked from many goroutines, with how many the client has sent.
func (s *senders) until(more func(int) bool) (p pace, err error) {
	waits, errs := make([][]time.Duration, len(s.clients)), make([]error, len(s.clients))
	var all sync.WaitGroup
	began := time.Now()
	for n, c := range s.clients {
		all.Go(func() {
			for more(len(waits[n])) {
				took, err := c.send(s.mails[n])
				if err != nil {
					errs[n] = err
					return
				}
				waits[n] = append(waits[n], took)
			}
		})
	}
	all.Wait()
	p.took = time.Since(began)
	for _, w := range waits {
		p.bodies += len(w)
		s.waits = append(s.waits, w...)
	}
	s.sent += p.bodies
	return p, errors.Join(errs...)
}

// p99 is how long all but one in a hundred of the replies took at most, since it was asked last, in milliseconds.
func (s *senders) p99() float64 {
	slices.Sort(s.waits)
	took := s.waits[len(s.waits)*99/100]
	s.waits = s.waits[:0]
	return float64(took.Microseconds()) / 1000
}

// queuedMemory measures both at rest, and with many mails in the queue.
func queuedMemory(ctx context.Context, cfg config, silent netip.AddrPort) error {
	t := newTable(fmt.Sprintf("Memory (PSS) with mail in the queue, %v behind the last", settle), "mails", "box", "its store and smtp", "Postfix", "ratio")
	err := withBoth(ctx, cfg, filepath.Join(cfg.dir, "memory"), silent, netip.AddrPort{}, func(box *hostedBox, peer *postfix) error {
		for _, mails := range []int{0, cfg.queued} {
			if mails > 0 {
				for _, address := range []string{box.smtp, peer.address} {
					if err := fill(address, mails); err != nil {
						return err
					}
				}
			}
			select {
			case <-time.After(settle):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			var octets [3]float64
			for i, s := range []side{boxSide(), boxSide("store", "smtp"), peer.processes} {
				n, err := s.memory()
				if err != nil {
					return err
				}
				octets[i] = float64(n) / (1 << 20)
			}
			t.row(fmt.Sprint(mails), fmt.Sprintf("%.1f MiB", octets[0]), fmt.Sprintf("%.1f MiB", octets[1]), fmt.Sprintf("%.1f MiB", octets[2]),
				fmt.Sprintf("%.2f", octets[0]/octets[2]))
		}
		return nil
	})
	return errors.Join(err, t.end())
}

// fillers is how many connections fill a queue.
const fillers = 10

func fill(address string, mails int) error {
	s, err := newSenders(address, 4<<10, fillers)
	if err != nil {
		return err
	}
	defer s.close()
	_, err = s.until(func(sent int) bool { return sent < mails/fillers })
	return err
}

// relayed measures how fast mail goes through, from the first that is sent to the last that the next server has.
func relayed(ctx context.Context, cfg config) error {
	var sinks [2]*smtpSink
	for i := range sinks {
		var err error
		if sinks[i], err = startSink(); err != nil {
			return err
		}
		defer sinks[i].Close()
	}
	t := newTable(fmt.Sprintf("%d mails of 4 KiB through to the next server: medians of %d rounds", cfg.relayed, cfg.fetches),
		"connections", "box mails/s", "CPU each", "Postfix mails/s", "CPU each", "ratio", "least–most")
	err := withBoth(ctx, cfg, filepath.Join(cfg.dir, "relay"), sinks[0].addr(), sinks[1].addr(), func(box *hostedBox, peer *postfix) error {
		var rates, cpus [2]series
		for round := range cfg.fetches + 1 {
			for i, s := range []mailServer{{box.smtp, boxSide()}, {peer.address, peer.processes}} {
				cpu, err := s.side.cpu()
				if err != nil {
					return err
				}
				began := time.Now()
				if err := fill(s.address, cfg.relayed); err != nil {
					return err
				}
				sinks[i].wait(int64(cfg.relayed / fillers * fillers * (round + 1)))
				p := pace{cfg.relayed, time.Since(began)}
				now, err := s.side.cpu()
				if err != nil {
					return err
				}
				if round > 0 { // the first warms up
					rates[i], cpus[i] = append(rates[i], p.rate()), append(cpus[i], perOne(now-cpu, p))
				}
			}
		}
		ratio := rates[0].over(rates[1])
		t.row(fmt.Sprint(fillers), fmt.Sprintf("%.0f", rates[0].median()), micros(cpus[0]), fmt.Sprintf("%.0f", rates[1].median()), micros(cpus[1]),
			fmt.Sprintf("%.2f", ratio.median()), ratio.spread("%.2f"))
		return nil
	})
	return errors.Join(err, t.end())
}
