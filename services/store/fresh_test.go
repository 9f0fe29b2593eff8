package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"postroom/services/contract"
)

// A login that waits for fresh mail has it when the fetch that it wanted has ended and all of it is validated, and is
// let go at once where no fetch can begin.
func TestAwaitFetch(t *testing.T) {
	t.Parallel()
	const interval = time.Minute
	for _, tt := range []struct {
		name   string
		before []string // steps, a second each
		while  []string // steps while it waits
		let    int      // behind how many of them it is let go
	}{
		{"nothing new", nil, []string{"begin", "end"}, 2},
		{"a mail", nil, []string{"begin", "put", "end", "validate"}, 4},
		{"a mail that is validated early", nil, []string{"begin", "put", "validate", "end"}, 4},
		{"mail of another account doesn't count", nil, []string{"begin", "put other", "end"}, 3},
		{"the end of a fetch that began before doesn't count", []string{"wait", "begin", "wait"}, []string{"end", "begin", "end"}, 3},
		{"a fetch that fails", nil, []string{"begin", "fail"}, 2},
		{"a provider that refuses", nil, []string{"begin", "refuse"}, 2},
		{"no fetch ends", nil, []string{"begin", "put"}, -1},

		{"inside the minimum interval", []string{"begin", "end"}, nil, 0},
		{"behind it", []string{"begin", "end", "wait"}, []string{"begin", "end"}, 2},
		{"inside it, while one is under way", []string{"begin"}, []string{"put", "end", "validate"}, 3},
		{"behind a failure", []string{"wait", "begin", "wait", "fail"}, nil, 0},
		{"long behind it", []string{"wait", "begin", "fail", "wait"}, []string{"begin", "end"}, 2},
		{"paused", []string{"pause"}, nil, 0},
		{"refused", []string{"begin", "refuse", "wait"}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t)
				account, other := b.enrolled(alice), b.enrolled("bob@pop3.example.org")
				do := func(step string) {
					t.Helper()
					var err error
					switch step {
					case "wait":
						time.Sleep(interval)
					case "begin":
						_, err = fetcher{b.Store}.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account})
					case "put":
						b.put(account, mailOf(1))
					case "put other":
						b.put(other, mailOf(1))
					case "validate":
						b.validate()
					case "end", "fail", "refuse":
						q := &contract.EndFetchRequest{Account: account, Succeeded: step == "end", Refused: step == "refuse"}
						_, err = fetcher{b.Store}.EndFetch(t.Context(), q)
					case "pause":
						_, err = admin{b.Store}.PauseAccount(t.Context(), &contract.AccountRequest{Name: alice})
					default:
						err = errors.New("no such step")
					}
					if err != nil {
						t.Fatalf("%s: %v", step, err)
					}
				}
				for _, step := range tt.before {
					do(step)
					time.Sleep(time.Second)
				}
				ctx, cancel := context.WithCancel(t.Context())
				let := make(chan error, 1)
				go func() {
					_, err := pop3{b.Store}.AwaitFetch(ctx, &contract.AwaitFetchRequest{Account: account})
					let <- err
				}()
				was := func(n int) bool {
					synctest.Wait()
					select {
					case err := <-let:
						if n != tt.let || err != nil {
							t.Errorf("let go behind %d steps of %v: %v", n, tt.while, err)
						}
						return true
					default:
						return false
					}
				}
				over := was(0)
				for i, step := range tt.while {
					do(step)
					over = over || was(i+1)
				}
				if !over && tt.let >= 0 {
					t.Error("is not let go")
				}
				cancel()
				if !over && !errors.Is(<-let, context.Canceled) {
					t.Error("the caller's end doesn't end it")
				}
				if n := len(b.fresh.waiting); n != 0 {
					t.Errorf("%d accounts are waited for", n)
				}
				if tt.let == 0 && !b.fetchWanted(alice) {
					t.Error("no fetch is wanted for later")
				}
			})
		})
	}
}

// With same-poll the login wants a fetch, and the end of the poll doesn't want another.
func TestWhatWantsAFetch(t *testing.T) {
	t.Parallel()
	for delivery, want := range map[string]bool{"next-poll": true, "same-poll": false} {
		b := newBox(t)
		q := &contract.ApplySettingsRequest{File: "x", Text: fmt.Appendf(nil, "[pop3]\ndelivery = %q\n", delivery)}
		if answer, err := (admin{b.Store}).ApplySettings(t.Context(), q); err != nil || answer.Problem != "" {
			t.Fatal(answer, err)
		}
		account := b.enrolled(alice)
		b.endPoll(&contract.EndPollRequest{Account: account})
		if got := b.fetchWanted(alice); got != want {
			t.Errorf("%s: the end of a poll wants a fetch: %v", delivery, got)
		}
	}
}

// fetchWanted tells what the fetcher is told.
func (b *box) fetchWanted(name string) bool {
	b.t.Helper()
	list, err := fetcher{b.Store}.ListAccounts(b.t.Context(), &contract.ListAccountsRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, a := range list.Accounts {
		if a.Name == name {
			return a.Wanted
		}
	}
	b.t.Fatalf("no account %q", name)
	return false
}
