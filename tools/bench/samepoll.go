package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postroom/tools/provider"
)

// benchSamePoll measures, without a peer, how long a client waits for a mail that its provider has when it polls, with
// same-poll delivery: from the connection to the mail's last octet, everything on loopback, the provider under TLS.
func benchSamePoll(ctx context.Context, cfg config) (err error) {
	dovecot, err := provider.Start(ctx, provider.Config{Dir: filepath.Join(cfg.dir, "provider"), Names: []string{retrHost}, Tuned: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dovecot.Stop()) }()
	if err := dovecot.AddUser(ctx, moved(0), retrPassword); err != nil {
		return err
	}
	settings := retrSettings(dovecot)
	settings = strings.Replace(settings, "[pop3]\n", "[pop3]\ndelivery = \"same-poll\"\n", 1)
	settings = strings.Replace(settings, `min_interval = "1h"`, `min_interval = "0s"`, 1)
	box, err := startBox(ctx, cfg, filepath.Join(cfg.dir, "box"), settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	if err := firstPolls(box, 1); err != nil {
		return err
	}
	var waits series
	for range cfg.polls {
		if err := dovecot.Fill(moved(0), [][]byte{sampleMail(mixMedian)}); err != nil {
			return err
		}
		began := time.Now()
		c, err := dialPOP3(box.plain, boxName(0), retrPassword, true)
		if err != nil {
			return err
		}
		if _, err := c.retrieve(1, nil); err != nil {
			c.Close() // the error says more
			return fmt.Errorf("the mail isn't there in its poll: %w", err)
		}
		waits = append(waits, milliseconds(time.Since(began)))
		if err := c.leave(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	slices.Sort(waits)
	t := newTable(fmt.Sprintf("Same-poll delivery of %d mails of 8 KiB, one a poll, without a peer", cfg.polls), "median", "p99", "longest")
	t.row(fmt.Sprintf("%.1f ms", waits.median()), fmt.Sprintf("%.1f ms", waits[len(waits)*99/100]), fmt.Sprintf("%.1f ms", waits[len(waits)-1]))
	return t.end()
}
