package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"postroom/services/contract"

	"golang.org/x/sync/errgroup"
)

// benchAccounts measures a box that knows many accounts, without a peer: what they take of memory, and how long a round
// of fetching for all of them takes, one mail of 8 KiB each, from a provider that costs next to nothing.
func benchAccounts(ctx context.Context, cfg config) (err error) {
	p, err := newFastProvider(sampleMail(mixMedian))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	b := &accountBench{config: cfg, provider: p}
	t := newTable(fmt.Sprintf("%d accounts, without a peer", cfg.accounts), "what", "figure", "fetcher (PSS)", "store (PSS)")
	if err := b.enrolAll(ctx, t); err != nil {
		return err
	}
	if err := b.round(ctx, t); err != nil {
		return err
	}
	return t.end()
}

type accountBench struct {
	config
	provider *fastProvider
}

// accountHosts is how many providers the accounts are spread over, all of them one: fetches at one host are limited.
const accountHosts = 8

func accountHost(n int) string { return fmt.Sprintf("accounts%d.example.org", n%accountHosts) }

func (b *accountBench) start(ctx context.Context) (*hostedBox, error) {
	return startBox(ctx, b.config, filepath.Join(b.dir, "box"), b.settings("0s"))
}

func (b *accountBench) settings(schedule string) string {
	text := fmt.Sprintf(`
[pop3]
listen = ["127.0.0.1:0"]
listen_tls = ["127.0.0.1:0"]
plaintext_login = "always"

[fetch]
schedule = %q

[smtp]
listen = []
listen_submission = []
listen_tls = []

[console]
listen = ["127.0.0.1:0"]
`, schedule)
	for n := range accountHosts {
		text += fmt.Sprintf("\n[[provider]]\nhost = %q\naddress = %q\ntls = \"none\"\nmin_interval = \"0s\"\n", accountHost(n), b.provider.addr())
	}
	return text
}

func (b *accountBench) row(t table, what, figure string) error {
	fetcher, err := boxSide("fetcher").memory()
	if err != nil {
		return err
	}
	store, err := boxSide("store").memory()
	t.row(what, figure, mebibytes(fetcher), mebibytes(store))
	return err
}

// enrolAll makes the accounts by their first polls, each tried at the provider, and waits until each was fetched for.
func (b *accountBench) enrolAll(ctx context.Context, t table) (err error) {
	box, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	if err := b.row(t, "no accounts", ""); err != nil {
		return err
	}
	var polls errgroup.Group
	polls.SetLimit(openers)
	began := time.Now()
	for n := range b.accounts {
		polls.Go(func() error {
			c, err := dialWith(make([]byte, loginBuffer), box.plain, fmt.Sprintf("user%d@%s", n, accountHost(n)), retrPassword, true)
			if err != nil {
				return err
			}
			return c.leave()
		})
	}
	if err := polls.Wait(); err != nil {
		return err
	}
	took := time.Since(began)
	if err := box.allFetched(ctx, b.accounts); err != nil {
		return err
	}
	return b.row(t, "enrolled, each by a poll", fmt.Sprintf("%.0f/s", float64(b.accounts)/took.Seconds()))
}

// round starts the box anew, and makes all accounts due at once by the schedule.
func (b *accountBench) round(ctx context.Context, t table) (err error) {
	began := time.Now()
	box, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	if err := b.row(t, "started anew, all ready", fmt.Sprintf("%.0f ms", milliseconds(time.Since(began)))); err != nil {
		return err
	}
	for n := range b.accounts {
		b.provider.put(fmt.Sprintf("user%d", n))
	}
	// The shortest schedule, and the most that it is stretched, since the last fetch began.
	select {
	case <-time.After(11 * time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	admin := contract.NewClient(filepath.Join(box.run, "admin.sock"), contract.NewAdminClient)
	defer admin.Close()
	before := b.provider.sessions.Load()
	cpu, err := boxSide().cpu()
	if err != nil {
		return err
	}
	began = time.Now()
	answer, err := contract.Call(ctx, admin, contract.AdminService.ApplySettings, &contract.ApplySettingsRequest{File: "bench", Text: []byte(b.settings("10s"))})
	if err == nil && answer.Problem != "" {
		err = errors.New(answer.Problem)
	}
	if err != nil {
		return err
	}
	ticker := time.NewTicker(looks)
	defer ticker.Stop()
	for b.provider.left() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	took := time.Since(began)
	now, err := boxSide().cpu()
	if err != nil {
		return err
	}
	sessions := b.provider.sessions.Load() - before
	what := fmt.Sprintf("a round: %d sessions, CPU %.0f µs each", sessions, float64((now-cpu).Microseconds())/float64(sessions))
	if err := b.row(t, what, fmt.Sprintf("%.1f s", took.Seconds())); err != nil {
		return err
	}
	return box.waitStatus(ctx, func(s *contract.GetStatusResponse) bool {
		waiting := uint64(0)
		for _, a := range s.Accounts {
			waiting += a.Waiting
		}
		return waiting == uint64(b.accounts)
	})
}
