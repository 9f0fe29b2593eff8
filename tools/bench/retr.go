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

// maxConnections is the most that RETR is measured on: each needs a mailbox of its own, for one is one session's.
const maxConnections = 4

const (
	retrHost     = "pop3.example.org"
	retrPassword = "bench"
)

// A mailSize is a kind of mail that is retrieved.
type mailSize struct {
	name   string
	octets int
	count  int // in a mailbox
}

// benchRetr measures RETR from a box beside Dovecot, on the same mail: the box has fetched it from there, from one
// half of the users, and the other half keep it. Each session sends its next RETR when the last one's end has come, and no
// QUIT: nothing leaves.
func benchRetr(ctx context.Context, cfg config) error {
	for _, size := range []mailSize{{"4 KiB", 4 << 10, cfg.small}, {"1 MiB", 1 << 20, cfg.large}} {
		if err := benchSize(ctx, cfg, size); err != nil {
			return fmt.Errorf("mails of %s: %w", size.name, err)
		}
	}
	return nil
}

func benchSize(ctx context.Context, cfg config, size mailSize) (err error) {
	dir := filepath.Join(cfg.dir, fmt.Sprintf("retr-%d", size.octets))
	dovecot, err := provider.Start(ctx, provider.Config{Dir: filepath.Join(dir, "provider"), Names: []string{retrHost}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dovecot.Stop()) }()
	mails := make([][]byte, size.count)
	for i := range mails {
		mails[i] = sampleMail(size.octets)
	}
	for n := range maxConnections {
		for _, user := range []string{kept(n), moved(n)} {
			if err := errors.Join(dovecot.AddUser(ctx, user, retrPassword), dovecot.Fill(user, mails)); err != nil {
				return err
			}
		}
	}
	box, err := startBox(ctx, cfg, filepath.Join(dir, "box"), retrSettings(dovecot))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	if err := moveMail(ctx, box, size.count); err != nil {
		return err
	}
	var sides [2][2]retrServer // with and without TLS; the box and Dovecot
	sides[0] = [2]retrServer{{box.plain, boxName, true}, {dovecot.Addr().String(), kept, true}}
	sides[1] = [2]retrServer{{box.tls, boxName, false}, {dovecot.AddrTLS().String(), kept, false}}
	for _, pair := range sides {
		if err := sameMail(pair, mails); err != nil {
			return err
		}
	}
	t := newTable(fmt.Sprintf("RETR of %s, lock-step: medians of %d rounds, ratios round by round", size.name, cfg.rounds),
		"TLS", "connections", "box MB/s", "mails/s", "Dovecot MB/s", "mails/s", "ratio", "least–most")
	for _, pair := range sides {
		for _, connections := range []int{1, maxConnections} {
			own, other, err := benchPair(ctx, cfg, pair, connections, size.count)
			if err != nil {
				return err
			}
			ratio := own.over(other)
			t.row(fmt.Sprint(!pair[0].plain), fmt.Sprint(connections),
				megabytes(own.median()), perSecond(own.median(), size), megabytes(other.median()), perSecond(other.median(), size),
				fmt.Sprintf("%.2f", ratio.median()), ratio.spread("%.2f"))
		}
	}
	return t.end()
}

// benchPair measures both sides on so many connections, and gives octets a second, once a round.
func benchPair(ctx context.Context, cfg config, pair [2]retrServer, connections, messages int) (own, other series, err error) {
	for round := range cfg.rounds + 1 {
		rates, err := retrRound(ctx, pair, connections, messages, cfg.turn)
		if err != nil {
			return nil, nil, err
		}
		if round > 0 { // the first one warms up
			own, other = append(own, rates[0]), append(other, rates[1])
		}
	}
	return own, other, nil
}

// alternations is in how many parts the two sides' turns of a round alternate: what else the machine does slows both.
const alternations = 10

func retrRound(ctx context.Context, pair [2]retrServer, connections, messages int, turn time.Duration) (rates [2]float64, err error) {
	var sides [2]*retrSessions
	for i, s := range pair {
		if sides[i], err = s.open(connections, messages); err != nil {
			return rates, err
		}
		defer sides[i].close()
	}
	for range alternations {
		for _, s := range sides {
			if err := s.retrieve(ctx, turn/alternations); err != nil {
				return rates, err
			}
		}
	}
	return [2]float64{sides[0].rate(), sides[1].rate()}, nil
}

func megabytes(rate float64) string { return fmt.Sprintf("%.1f", rate/1e6) }
func perSecond(rate float64, size mailSize) string {
	return fmt.Sprintf("%.0f", rate/float64(size.octets))
}

func kept(n int) string    { return fmt.Sprintf("kept%d", n) }
func moved(n int) string   { return fmt.Sprintf("moved%d", n) }
func boxName(n int) string { return moved(n) + "@" + retrHost }

// retrSettings has the box fetch once, after the first poll, and be at rest while RETR is measured.
func retrSettings(p *provider.Provider) string {
	return fmt.Sprintf(`
[pop3]
listen = ["127.0.0.1:0"]
listen_tls = ["127.0.0.1:0"]
plaintext_login = "always"

[fetch]
schedule = "0s"

[smtp]
listen = []
listen_submission = []
listen_tls = []

[console]
listen = ["127.0.0.1:0"]

[[provider]]
host = %q
address = %q
ca = '''
%s'''
min_interval = "1h"
`, retrHost, p.AddrTLS(), p.CA())
}

// moveMail makes the box's accounts by their first poll, and waits until it has fetched all mail.
func moveMail(ctx context.Context, box *hostedBox, each int) error {
	for n := range maxConnections {
		c, err := dialPOP3(box.tls, boxName(n), retrPassword, false)
		if err != nil {
			return err
		}
		_, err = c.command("QUIT\r\n")
		c.Close() // it ended with QUIT
		if err != nil {
			return err
		}
	}
	return box.waitMail(ctx, maxConnections, each)
}

// retrServer is one side: where it listens, and the mailboxes there.
type retrServer struct {
	address string
	user    func(n int) string
	plain   bool
}

// retrSessions are open sessions at one side, and what they have retrieved.
type retrSessions struct {
	clients  []*pop3Client
	messages int // in each mailbox
	next     int // message, less one
	octets   int // on the wire, below TLS not counted: first line, stuffing and end with them
	took     time.Duration
}

func (s retrServer) open(connections, messages int) (*retrSessions, error) {
	sessions := &retrSessions{messages: messages}
	for n := range connections {
		c, err := dialPOP3(s.address, s.user(n), retrPassword, s.plain)
		if err != nil {
			sessions.close()
			return nil, err
		}
		sessions.clients = append(sessions.clients, c)
	}
	return sessions, nil
}

// close drops the sessions: without QUIT nothing leaves.
func (s *retrSessions) close() {
	for _, c := range s.clients {
		if c != nil { // it was opened
			c.Close()
		}
	}
}

func (s *retrSessions) rate() float64 { return float64(s.octets) / s.took.Seconds() }

// retrieve has each session retrieve one message after the other for one turn.
func (s *retrSessions) retrieve(ctx context.Context, turn time.Duration) error {
	octets, done := make([]int, len(s.clients)), make([]int, len(s.clients))
	errs := make([]error, len(s.clients))
	var all sync.WaitGroup
	began := time.Now()
	for n, c := range s.clients {
		all.Go(func() {
			for time.Since(began) < turn && ctx.Err() == nil && errs[n] == nil {
				var got int
				got, errs[n] = c.retrieve((s.next+done[n])%s.messages+1, nil)
				octets[n] += got
				done[n]++
			}
		})
	}
	all.Wait()
	s.took += time.Since(began)
	for n := range octets {
		s.octets += octets[n]
	}
	s.next += done[0]
	return errors.Join(append(errs, context.Cause(ctx))...)
}

// sameMail sees to it that both sides give the mail that was delivered: the box behind its prefix.
func sameMail(pair [2]retrServer, mails [][]byte) error {
	const prefix = "X-Postroom-Verdict: deliver\r\n"
	want := make(map[string]bool)
	for _, m := range mails {
		want[string(m)] = true
	}
	for i, s := range pair {
		for n := range maxConnections {
			c, err := dialPOP3(s.address, s.user(n), retrPassword, s.plain)
			if err != nil {
				return err
			}
			got, err := c.body(1)
			c.Close() // without QUIT nothing leaves
			if err != nil {
				return err
			}
			before := len(got)
			if i == 0 && len(got) > len(prefix) && got[:len(prefix)] == prefix {
				got = got[len(prefix):]
			}
			if !want[got] || (i == 0) != (len(got) < before) {
				return fmt.Errorf("%s at %s got another mail than was delivered", s.user(n), s.address)
			}
		}
	}
	return nil
}
