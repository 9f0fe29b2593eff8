package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"postroom/services/contract"
	"postroom/tools/provider"

	"golang.org/x/sync/errgroup"
)

const (
	// settle is how long sessions have been idle when memory is measured: what their beginning took has been given
	// back as far as it is given back soon.
	settle = 5 * time.Second
	// openers is how many sessions are opened at once.
	openers = 16

	fetchHost = "fetch.example.org" // the provider of the one account that is fetched for
	fetchUser = "busy"
)

// benchSessions measures the memory of idle sessions beside Dovecot's, and that of a whole box with idle sessions while
// it fetches, beside Dovecot and mpop doing the same. Each figure is of processes that were started for it.
func benchSessions(ctx context.Context, cfg config) (err error) {
	dovecot, err := provider.Start(ctx, provider.Config{Dir: filepath.Join(cfg.dir, "dovecot"), Names: []string{retrHost}, Tuned: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dovecot.Stop()) }()
	if err := addUsers(ctx, dovecot, cfg.sessions); err != nil {
		return err
	}
	// What is fetched comes from another Dovecot, which neither side's memory counts.
	source, err := provider.Start(ctx, provider.Config{Dir: filepath.Join(cfg.dir, "provider"), Names: []string{fetchHost}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Stop()) }()
	if err := source.AddUser(ctx, fetchUser, retrPassword); err != nil {
		return err
	}
	b := &sessionBench{config: cfg, dovecot: dovecot, source: source}
	b.settings = retrSettings(dovecot) + fmt.Sprintf("\n[[provider]]\nhost = %q\naddress = %q\ntls = \"none\"\nmin_interval = \"0s\"\n", fetchHost, source.Addr())
	if err := b.knownAccounts(ctx); err != nil {
		return err
	}
	if err := b.idle(ctx); err != nil {
		return err
	}
	return b.all(ctx)
}

// addUsers makes users with empty mailboxes, while the server is down: then it needn't be asked whether it knows them.
func addUsers(ctx context.Context, p *provider.Provider, count int) error {
	if err := p.Down(); err != nil {
		return err
	}
	for n := range count {
		if err := p.AddUser(ctx, moved(n), retrPassword); err != nil {
			return err
		}
	}
	return p.Up(ctx)
}

type sessionBench struct {
	config
	dovecot, source *provider.Provider
	settings        string
}

func (b *sessionBench) start(ctx context.Context) (*hostedBox, error) {
	return startBox(ctx, b.config, filepath.Join(b.dir, "box"), b.settings)
}

// knownAccounts makes the box's accounts, and waits until each was fetched for once.
func (b *sessionBench) knownAccounts(ctx context.Context) (err error) {
	box, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	var polls errgroup.Group
	polls.SetLimit(openers)
	names := []string{fetchUser + "@" + fetchHost}
	for n := range b.sessions {
		names = append(names, boxName(n))
	}
	for _, name := range names {
		polls.Go(func() error {
			c, err := dialWith(make([]byte, loginBuffer), box.tls, name, retrPassword, false)
			if err != nil {
				return err
			}
			return c.leave()
		})
	}
	if err := polls.Wait(); err != nil {
		return err
	}
	return box.allFetched(ctx, len(names))
}

// allFetched returns when so many accounts are known and all have been fetched for.
func (b *hostedBox) allFetched(ctx context.Context, accounts int) error {
	admin := contract.NewClient(filepath.Join(b.run, "admin.sock"), contract.NewAdminClient)
	defer admin.Close()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		status, err := contract.Call(ctx, admin, contract.AdminService.GetStatus, &contract.GetStatusRequest{})
		if err != nil {
			return err
		}
		fetched := 0
		for _, a := range status.Accounts {
			if t := a.LastFetch; t != nil && t.Seconds > 0 {
				fetched++
			}
		}
		if fetched == accounts {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// idle measures sessions that wait, by the difference that they make.
func (b *sessionBench) idle(ctx context.Context) error {
	t := newTable(fmt.Sprintf("Memory of %d idle sessions (PSS)", b.sessions),
		"TLS", "box (pop3) each", "with all", "without", "Dovecot each", "with all", "without", "ratio")
	for _, plain := range []bool{true, false} {
		own, err := b.idleBox(ctx, plain)
		if err != nil {
			return err
		}
		other, err := b.idleDovecot(ctx, plain)
		if err != nil {
			return err
		}
		t.row(fmt.Sprint(!plain), own.each(b.sessions), mebibytes(own.with), mebibytes(own.without),
			other.each(b.sessions), mebibytes(other.with), mebibytes(other.without),
			fmt.Sprintf("%.3f", float64(own.with-own.without)/float64(other.with-other.without)))
	}
	return t.end()
}

// footprint is memory in octets.
type footprint struct{ with, without int64 }

func (f footprint) each(sessions int) string {
	return fmt.Sprintf("%.1f KiB", float64(f.with-f.without)/float64(sessions)/1024)
}

func mebibytes(octets int64) string { return fmt.Sprintf("%.1f MiB", float64(octets)/(1<<20)) }

func (b *sessionBench) idleBox(ctx context.Context, plain bool) (f footprint, err error) {
	box, err := b.start(ctx)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	return b.measure(ctx, boxSide("pop3"), box.side(plain))
}

func (b *sessionBench) idleDovecot(ctx context.Context, plain bool) (f footprint, err error) {
	if err := errors.Join(b.dovecot.Down(), b.dovecot.Up(ctx)); err != nil {
		return f, err
	}
	return b.measure(ctx, dovecotSide(b.dovecot), dovecotServer(b.dovecot, plain))
}

func (b *hostedBox) side(plain bool) retrServer {
	if plain {
		return retrServer{b.plain, boxName, true}
	}
	return retrServer{b.tls, boxName, false}
}

func dovecotServer(p *provider.Provider, plain bool) retrServer {
	if plain {
		return retrServer{p.Addr().String(), moved, true}
	}
	return retrServer{p.AddrTLS().String(), moved, false}
}

func (b *sessionBench) measure(ctx context.Context, of side, s retrServer) (f footprint, err error) {
	if f.without, err = of.memory(); err != nil {
		return f, err
	}
	idle, err := s.openIdle(ctx, b.sessions)
	defer func() { idle.close() }()
	if err != nil {
		return f, err
	}
	f.with, err = of.memory()
	return f, err
}

// openIdle opens sessions, and returns when they have been idle for a while.
func (s retrServer) openIdle(ctx context.Context, count int) (*retrSessions, error) {
	idle := &retrSessions{clients: make([]*pop3Client, count)}
	var opening errgroup.Group
	opening.SetLimit(openers)
	for n := range count {
		opening.Go(func() error {
			c, err := dialWith(make([]byte, loginBuffer), s.address, s.user(n), retrPassword, s.plain)
			idle.clients[n] = c
			return err
		})
	}
	if err := opening.Wait(); err != nil {
		return idle, err
	}
	select {
	case <-time.After(settle):
		return idle, nil
	case <-ctx.Done():
		return idle, context.Cause(ctx)
	}
}

// all measures all programs of both sides, with idle sessions under TLS, while mail is fetched.
func (b *sessionBench) all(ctx context.Context) error {
	mails := mailMix(b.mails)
	own, err := b.allBox(ctx, mails)
	if err != nil {
		return err
	}
	other, err := b.allDovecot(ctx, mails)
	if err != nil {
		return err
	}
	t := newTable(fmt.Sprintf("All programs with %d idle sessions under TLS, while %d mails are fetched: highest PSS", b.sessions, b.mails),
		"box", "Dovecot + mpop", "ratio")
	t.row(mebibytes(own), mebibytes(other), fmt.Sprintf("%.3f", float64(own)/float64(other)))
	return t.end()
}

func (b *sessionBench) allBox(ctx context.Context, mails [][]byte) (most int64, err error) {
	box, err := b.start(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	idle, err := box.side(false).openIdle(ctx, b.sessions)
	defer func() { idle.close() }()
	if err != nil {
		return 0, err
	}
	if err := b.source.Fill(fetchUser, mails); err != nil {
		return 0, err
	}
	return highest(boxSide(), func() error {
		c, err := dialPOP3(box.tls, fetchUser+"@"+fetchHost, retrPassword, false)
		if err != nil {
			return err
		}
		if err := c.leave(); err != nil {
			return err
		}
		return box.waitMail(ctx, 1, len(mails))
	})
}

func (b *sessionBench) allDovecot(ctx context.Context, mails [][]byte) (most int64, err error) {
	if err := errors.Join(b.dovecot.Down(), b.dovecot.Up(ctx)); err != nil {
		return 0, err
	}
	idle, err := dovecotServer(b.dovecot, false).openIdle(ctx, b.sessions)
	defer func() { idle.close() }()
	if err != nil {
		return 0, err
	}
	if err := b.source.Fill(fetchUser, mails); err != nil {
		return 0, err
	}
	j := job{provider: b.source.Addr(), user: fetchUser, dir: filepath.Join(b.dir, "mpop")}
	if err := os.Mkdir(j.dir, 0o755); err != nil {
		return 0, err
	}
	server, client := dovecotSide(b.dovecot), boxSide("mpop")
	return highest(func() ([]processStat, error) {
		list, err := server()
		more, failed := client()
		return append(list, more...), errors.Join(err, failed)
	}, func() error {
		_, err := fetchByMpop(ctx, j)
		return err
	})
}

// highest gives the most memory that a side had while something was done.
func highest(of side, do func() error) (most int64, err error) {
	done := make(chan error, 1)
	go func() { done <- do() }()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		octets, err := of.memory()
		if err != nil {
			return most, errors.Join(err, <-done)
		}
		most = max(most, octets)
		select {
		case err := <-done:
			return most, err
		case <-ticker.C:
		}
	}
}
