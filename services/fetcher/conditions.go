package fetcher

import (
	"context"
	"log/slog"
	"sync"

	"postroom/services/contract"
)

// conditions sets and clears lasting conditions of accounts, and tells the store only of changes.
type conditions struct {
	store *contract.Client[contract.FetcherService]
	log   *slog.Logger

	mu   sync.Mutex
	last map[[2]string]string // name and subject: the text that the store has; "": it's clear
}

// set sets a condition, or clears it where text is empty.
func (c *conditions) set(ctx context.Context, name, subject, text string) {
	key := [2]string{name, subject}
	c.mu.Lock()
	last, known := c.last[key]
	c.mu.Unlock()
	if known && last == text {
		return
	}
	_, err := contract.Call(ctx, c.store.Common(), contract.CommonClient.SetCondition, &contract.SetConditionRequest{
		Condition: &contract.Condition{Name: name, Subject: subject, Text: text}, Clear: text == "",
	})
	if err != nil {
		c.log.Warn("condition not set", "condition", name, "account", subject, "err", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[[2]string]string{}
	}
	c.last[key] = text
}
