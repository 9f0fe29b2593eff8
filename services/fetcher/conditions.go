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
	last map[string]map[string]string // by account and name: the text that the store has; "": it's clear
}

// set sets a condition of an account, or clears it where text is empty.
func (c *conditions) set(ctx context.Context, name string, a *contract.FetchAccount, text string) {
	c.mu.Lock()
	last, known := c.last[string(a.Id)][name]
	c.mu.Unlock()
	if known && last == text {
		return
	}
	_, err := contract.Call(ctx, c.store.Common(), contract.CommonClient.SetCondition, &contract.SetConditionRequest{
		Condition: &contract.Condition{Name: name, Subject: a.Name, Text: text}, Clear: text == "",
	})
	if err != nil {
		c.log.Warn("condition not set", "condition", name, "account", a.Name, "err", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[string]map[string]string{}
	}
	if c.last[string(a.Id)] == nil {
		c.last[string(a.Id)] = map[string]string{}
	}
	c.last[string(a.Id)][name] = text
}

// forget is for an account that is gone: the store dropped its conditions, and one of the same name is another one.
func (c *conditions) forget(account string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.last, account)
}
