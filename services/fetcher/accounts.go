package fetcher

import (
	"context"
	"log/slog"

	"postroom/services/contract"
)

// accounts follows what the store says of accounts.
type accounts struct {
	store  *contract.Client[contract.FetcherService]
	log    *slog.Logger
	update func([]*contract.FetchAccount)
	ask    chan chan struct{} // holds 0: a request for a listing that begins now
}

// follow gives all accounts to update, and every change, until ctx ends. It closes first once all were given.
func (f *accounts) follow(ctx context.Context, first chan<- struct{}) {
	look := contract.Watch(ctx, f.store, contract.Topic_TOPIC_ACCOUNTS)
	var cursor []byte
	for {
		var asked chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-look:
		case asked = <-f.ask:
		}
		var err error
		if cursor, err = f.list(ctx, cursor); err != nil {
			if ctx.Err() == nil {
				f.log.Error("accounts not listed", "err", err)
			}
		} else if first != nil {
			close(first)
			first = nil
		}
		if asked != nil {
			close(asked)
		}
	}
}

// list gives what changed behind cursor to update.
func (f *accounts) list(ctx context.Context, cursor []byte) ([]byte, error) {
	for {
		answer, err := contract.Call(ctx, f.store, contract.FetcherService.ListAccounts, &contract.ListAccountsRequest{Cursor: cursor})
		if err != nil {
			return cursor, err
		}
		f.update(answer.Accounts)
		cursor = answer.Cursor
		if !answer.More {
			return cursor, nil
		}
	}
}

// refresh returns when everything was given to update that the store knew when refresh was called.
func (f *accounts) refresh(ctx context.Context) {
	asked := make(chan struct{})
	select {
	case f.ask <- asked:
	case <-ctx.Done():
		return
	}
	select {
	case <-asked:
	case <-ctx.Done():
	}
}
