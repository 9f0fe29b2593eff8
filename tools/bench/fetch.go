package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/tools/provider"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// benchFetch measures how long it takes to fetch the mix and to delete it at the provider, by the box and by the
// programs that people fetch mail with: over lines of several lengths, with PIPELINING offered and without. A box's time is
// from the end of the poll that makes it fetch until all mail is in the Out Queue, and the provider's mailbox empty.
//
// Where nobody pipelines, all wait for the line most of the time: those are fetched at the same time.
func benchFetch(ctx context.Context, cfg config) (err error) {
	f := &fetchBench{config: cfg, mails: mailMix(cfg.mails), results: map[fetchCase]*fetchResults{}}
	f.dovecot, err = provider.Start(ctx, provider.Config{Dir: filepath.Join(cfg.dir, "provider"), Names: []string{retrHost}, Tuned: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.dovecot.Stop()) }()
	defer func() { err = errors.Join(err, f.closeLines()) }()
	for _, delay := range cfg.delays {
		if err := f.addWay(way{delay, true}); err != nil {
			return err
		}
		if delay > 0 {
			if err := f.addWay(way{delay, false}); err != nil {
				return err
			}
		}
	}
	f.box, err = startBox(ctx, cfg, filepath.Join(cfg.dir, "box"), f.settings())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.box.stop()) }()
	if err := f.knownAccounts(ctx); err != nil {
		return err
	}
	if err := f.pipelined(ctx); err != nil {
		return err
	}
	if err := f.lockStep(ctx); err != nil {
		return err
	}
	return f.show()
}

// way is a line's kind.
type way struct {
	roundTrip  time.Duration
	pipelining bool // offered
}

func (w way) String() string {
	if w.pipelining {
		return w.roundTrip.String()
	}
	return w.roundTrip.String() + "-lockstep"
}

func (w way) host() string { return "way-" + w.String() + ".example.org" }

// fetchCase is one figure.
type fetchCase struct {
	way
	who string
}

type fetchResults struct {
	rounds       []int // that these are of
	seconds, cpu series
}

// over gives the ratios of times to another's, in the rounds that this one has.
func (r *fetchResults) over(other *fetchResults) (ratios series) {
	for i, round := range r.rounds {
		if at := slices.Index(other.rounds, round); at >= 0 {
			ratios = append(ratios, r.seconds[i]/other.seconds[at])
		}
	}
	return ratios
}

const boxFetches = "box"

type fetchBench struct {
	config
	mails   [][]byte
	dovecot *provider.Provider
	box     *hostedBox
	ways    []way
	lines   map[way]*line // none where the provider is reached directly

	mu      sync.Mutex // guards results
	results map[fetchCase]*fetchResults
}

func (f *fetchBench) addWay(w way) error {
	f.ways = append(f.ways, w)
	if w.roundTrip == 0 {
		return nil
	}
	l, err := newLine(f.dovecot.Addr(), w.roundTrip, !w.pipelining)
	if err != nil {
		return err
	}
	if f.lines == nil {
		f.lines = map[way]*line{}
	}
	f.lines[w] = l
	return nil
}

func (f *fetchBench) closeLines() (err error) {
	for _, l := range f.lines {
		err = errors.Join(err, l.close())
	}
	return err
}

// settings has a provider for each way, without TLS, which the line couldn't read.
func (f *fetchBench) settings() string {
	var b strings.Builder
	b.WriteString(`
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
`)
	for _, w := range f.ways {
		at := f.dovecot.Addr()
		if l := f.lines[w]; l != nil {
			at = l.addr()
		}
		fmt.Fprintf(&b, "\n[[provider]]\nhost = %q\naddress = %q\ntls = \"none\"\nmin_interval = \"0s\"\n", w.host(), at)
	}
	return b.String()
}

// user is whose mailbox is fetched in a round.
func (c fetchCase) user(round int) string { return fmt.Sprintf("%s-%v-%d", c.who, c.way, round) }

// warmUp is a round that doesn't count.
const warmUp = 0

// knownAccounts makes the box's accounts, and has one mail fetched for each: then their first fetch is over.
func (f *fetchBench) knownAccounts(ctx context.Context) error {
	var polls errgroup.Group
	polls.SetLimit(16)
	for _, w := range f.ways {
		for round := warmUp; round <= f.fetches; round++ {
			user := fetchCase{w, boxFetches}.user(round)
			if err := errors.Join(f.dovecot.AddUser(ctx, user, retrPassword), f.dovecot.Fill(user, f.mails[:1])); err != nil {
				return err
			}
			polls.Go(func() error {
				_, err := f.afterPoll(ctx, w, user, 1)
				return err
			})
		}
	}
	return polls.Wait()
}

// pipelined fetches over the ways with PIPELINING, one after the other in each round. Over the one without a round trip
// all peers take part; the others wait for it as they do without PIPELINING.
func (f *fetchBench) pipelined(ctx context.Context) error {
	for _, w := range f.ways {
		if !w.pipelining {
			continue
		}
		for round := warmUp; round <= f.fetches; round++ {
			for _, who := range f.racers(w) {
				if round == warmUp && who != boxFetches && who != "mpop" {
					continue
				}
				if err := f.fetch(ctx, fetchCase{w, who}, round); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// racers are those that fetch over a way when they have it to themselves.
func (f *fetchBench) racers(w way) []string {
	who := []string{boxFetches}
	for _, peer := range f.peers {
		if w.roundTrip == 0 || peer == "mpop" {
			who = append(who, peer)
		}
	}
	return who
}

// sideBySide is the round trip from which on rounds, too, are fetched at the same time.
const sideBySide = 50 * time.Millisecond

// lockStep fetches over the ways without PIPELINING; fetchmail and getmail, which never pipeline, once.
func (f *fetchBench) lockStep(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, w := range f.ways {
		if w.pipelining {
			continue
		}
		all.Go(func() error {
			rounds, within := errgroup.WithContext(ctx)
			for round := 1; round <= f.fetches; round++ {
				for _, who := range append([]string{boxFetches}, f.peers...) {
					if who == boxFetches || who == "mpop" || round == 1 {
						rounds.Go(func() error { return f.fetch(within, fetchCase{w, who}, round) })
					}
				}
				if w.roundTrip < sideBySide {
					if err := rounds.Wait(); err != nil {
						return err
					}
					rounds, within = errgroup.WithContext(ctx)
				}
			}
			return rounds.Wait()
		})
	}
	return all.Wait()
}

// fetch fills a mailbox and has it fetched.
func (f *fetchBench) fetch(ctx context.Context, c fetchCase, round int) error {
	user := c.user(round)
	var t took
	var err error
	if c.who == boxFetches {
		if err := f.fill(user); err != nil {
			return err
		}
		t, err = f.afterPoll(ctx, c.way, user, 1+len(f.mails))
	} else {
		if err := errors.Join(f.dovecot.AddUser(ctx, user, retrPassword), f.fill(user)); err != nil {
			return err
		}
		t, err = f.byPeer(ctx, c, user)
	}
	if err != nil && ctx.Err() == nil && c.who != boxFetches {
		// getmail6 starts a process for each mail, and gives up when it has missed the end of one. The others' figures
		// stand without it.
		fmt.Fprintf(os.Stderr, "bench: fetch: round %d of %s over %v doesn't count: %v\n", round, c.who, c.way, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s over %v: %w", c.who, c.way, err)
	}
	if round == warmUp {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.results[c]
	if r == nil {
		r = &fetchResults{}
		f.results[c] = r
	}
	r.rounds = append(r.rounds, round)
	r.seconds = append(r.seconds, t.time.Seconds())
	r.cpu = append(r.cpu, float64(t.cpu.Microseconds())/float64(len(f.mails)))
	return nil
}

// fill delivers the mail, and has it on disk: else who syncs first would wait for it.
func (f *fetchBench) fill(user string) error {
	err := f.dovecot.Fill(user, f.mails)
	unix.Sync()
	return err
}

func (f *fetchBench) byPeer(ctx context.Context, c fetchCase, user string) (took, error) {
	j := job{provider: f.dovecot.Addr(), user: user, dir: filepath.Join(f.dir, user)}
	if l := f.lines[c.way]; l != nil {
		j.provider = l.addr()
	}
	if err := os.Mkdir(j.dir, 0o755); err != nil {
		return took{}, err
	}
	t, err := fetchPeers[c.who](ctx, j)
	if err != nil {
		return took{}, err
	}
	got, err := j.fetched()
	if err != nil {
		return took{}, err
	}
	left, err := f.dovecot.Count(user)
	if err == nil && (got != len(f.mails) || left > 0) {
		err = fmt.Errorf("fetched %d of %d mails, and left %d", got, len(f.mails), left)
	}
	return t, err
}

// looks is how often the provider's mailbox is looked at, whether it's empty.
const looks = 2 * time.Millisecond

// afterPoll polls an account and waits until so many mails are in its Out Queue and none at its provider.
func (f *fetchBench) afterPoll(ctx context.Context, w way, user string, waiting int) (took, error) {
	name := user + "@" + w.host()
	cpu, err := boxSide().cpu()
	if err != nil {
		return took{}, err
	}
	c, err := dialPOP3(f.box.plain, name, retrPassword, true)
	if err != nil {
		return took{}, err
	}
	if err := c.leave(); err != nil {
		return took{}, err
	}
	began := time.Now()
	ticker := time.NewTicker(looks)
	defer ticker.Stop()
	for {
		empty, err := f.dovecot.Empty(user)
		if err != nil {
			return took{}, err
		}
		if empty {
			break
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return took{}, context.Cause(ctx)
		}
	}
	err = f.box.waitStatus(ctx, func(s *contract.GetStatusResponse) bool {
		return slices.ContainsFunc(s.Accounts, func(a *contract.AccountStatus) bool {
			return a.Account == name && a.Waiting == uint64(waiting)
		})
	})
	if err != nil {
		return took{}, err
	}
	lasted := time.Since(began)
	now, err := boxSide().cpu()
	return took{lasted, now - cpu}, err
}

func (f *fetchBench) show() error {
	columns := []string{"round trip", "PIPELINING", "box", "CPU a mail"}
	for _, peer := range f.peers {
		columns = append(columns, peer, "CPU a mail", peer+" / box", "least–most")
	}
	t := newTable(fmt.Sprintf("Fetching %d mails of the mix and deleting them, seconds: medians of up to %d rounds", len(f.mails), f.fetches), columns...)
	for _, w := range f.ways {
		box := f.results[fetchCase{w, boxFetches}]
		cells := []string{w.roundTrip.String(), fmt.Sprint(w.pipelining), fmt.Sprintf("%.2f", box.seconds.median()), f.cpu(w, box)}
		for _, peer := range f.peers {
			r := f.results[fetchCase{w, peer}]
			if r == nil {
				cells = append(cells, "", "", "", "")
				continue
			}
			ratio := r.over(box)
			cells = append(cells, fmt.Sprintf("%.2f", r.seconds.median()), micros(r.cpu), fmt.Sprintf("%.2f", ratio.median()), ratio.spread("%.2f"))
		}
		t.row(cells...)
	}
	return t.end()
}

// cpu is the box's CPU time for a mail, where it fetched for one account at a time.
func (f *fetchBench) cpu(w way, r *fetchResults) string {
	if !w.pipelining {
		return ""
	}
	return micros(r.cpu)
}
