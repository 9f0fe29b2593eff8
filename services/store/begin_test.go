package store

import (
	"errors"
	"syscall"
	"testing"

	"postroom/services/contract"
)

func (b *box) fetchAccount(cursor []byte) (*contract.FetchAccount, []byte) {
	b.t.Helper()
	answer, err := fetcher{b.Store}.ListAccounts(b.t.Context(), &contract.ListAccountsRequest{Cursor: cursor})
	if err != nil || len(answer.Accounts) != 1 {
		b.t.Fatalf("got %v, %v; want one account", answer, err)
	}
	return answer.Accounts[0], answer.Cursor
}

// With a full disk no fetch begins, and what was wanted stays wanted; it begins by itself once there is room.
func TestNoFetchBeginsWhenTheDiskIsFull(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	f := fetcher{b.Store}
	if _, err := (pop3{b.Store}).EndPoll(t.Context(), &contract.EndPollRequest{Account: account}); err != nil {
		t.Fatal(err)
	}
	b.faulty.Fail(func(op, _ string) error {
		if op == "free" {
			return syscall.ENOSPC
		}
		return nil
	})
	if answer, err := f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}); !errors.Is(err, contract.ErrFull) {
		t.Errorf("got %v, %v; want ErrFull", answer, err)
	}
	if b.condition(contract.ConditionDiskFull) == nil {
		t.Error("no condition says that the disk is full")
	}
	if a, _ := b.fetchAccount(nil); !a.Wanted || a.LastFetch != nil {
		t.Errorf("got %v, want a fetch that is wanted and didn't begin", a)
	}
	b.faulty.Fail(nil)
	if answer, err := f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}); err != nil || answer.Password != secret {
		t.Errorf("got %v, %v", answer, err)
	}
	if c := b.condition(contract.ConditionDiskFull); c != nil {
		t.Errorf("condition stays: %v", c)
	}
}

// The owner's wish is told from a poll's, until the fetch begins.
func TestTheOwnersWishIsToldFromAPolls(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const name = "me@gmx.de@pop3.gmx.de"
	account := b.enrolled(name)
	see := func(what string, wanted, asked bool) {
		t.Helper()
		if a, _ := b.fetchAccount(nil); a.Wanted != wanted || a.Asked != asked {
			t.Errorf("%s: wanted %t, asked %t; want %t, %t", what, a.Wanted, a.Asked, wanted, asked)
		}
	}
	step := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	see("enrolled", false, false)
	step(pop3{b.Store}.EndPoll(t.Context(), &contract.EndPollRequest{Account: account}))
	see("polled", true, false)
	step(admin{b.Store}.FetchAccount(t.Context(), &contract.AccountRequest{Name: name}))
	see("asked", true, true)
	b.reopen("two")
	f := fetcher{b.Store}
	see("asked, another boot", true, true)
	step(f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}))
	step(f.EndFetch(t.Context(), &contract.EndFetchRequest{Account: account, ProviderText: "no"}))
	see("fetched", false, false)
	step(admin{b.Store}.PauseAccount(t.Context(), &contract.AccountRequest{Name: name}))
	step(admin{b.Store}.ResumeAccount(t.Context(), &contract.AccountRequest{Name: name}))
	see("resumed", true, true)
}
