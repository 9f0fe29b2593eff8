package store

import (
	"fmt"
	"testing"

	"postroom/services/contract"
)

func (b *box) changed(cursor *[]byte) (names []string, wanted int) {
	b.t.Helper()
	for {
		answer, err := fetcher{b.Store}.ListAccounts(b.t.Context(), &contract.ListAccountsRequest{Cursor: *cursor})
		if err != nil {
			b.t.Fatal(err)
		}
		*cursor = answer.Cursor
		for _, a := range answer.Accounts {
			names = append(names, a.Name)
			if a.Wanted {
				wanted++
			}
		}
		if !answer.More {
			return names, wanted
		}
	}
}

func TestListAccountsGivesWhatChanged(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.provider(accepts(secret))
	var cursor []byte
	for i := range 5 {
		b.login(fmt.Sprintf("user%d@pop.example", i), secret, inside)
	}
	if names, _ := b.changed(&cursor); len(names) != 5 {
		t.Errorf("at first: got %v, want all 5", names)
	}
	if names, _ := b.changed(&cursor); len(names) != 0 {
		t.Errorf("nothing changed: got %v", names)
	}
	for range 300 { // enough for the log to be compacted
		if _, err := (admin{b.Store}).FetchAccount(t.Context(), &contract.AccountRequest{Name: "user3@pop.example"}); err != nil {
			t.Fatal(err)
		}
	}
	if names, wanted := b.changed(&cursor); len(names) != 1 || names[0] != "user3@pop.example" || wanted != 1 {
		t.Errorf("one changed: got %v, %d wanted", names, wanted)
	}
	b.reopen("two")
	if names, _ := b.changed(&cursor); len(names) != 5 {
		t.Errorf("a cursor of another run: got %v, want all 5", names)
	}
}

// A fetch that was cut off is wanted by the fetcher that comes next, not by the one that is at it.
func TestFetchThatWasCutOffIsWantedAgain(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	f := fetcher{b.Store}
	if _, err := (pop3{b.Store}).EndPoll(t.Context(), &contract.EndPollRequest{Account: account}); err != nil {
		t.Fatal(err)
	}
	var cursor []byte
	if _, wanted := b.changed(&cursor); wanted != 1 {
		t.Error("a poll ended, and no fetch is wanted")
	}
	if _, err := f.BeginFetch(t.Context(), &contract.BeginFetchRequest{Account: account}); err != nil {
		t.Fatal(err)
	}
	if names, wanted := b.changed(&cursor); len(names) != 1 || wanted != 0 {
		t.Errorf("the fetch began: got %v, %d wanted", names, wanted)
	}
	var another []byte
	if _, wanted := b.changed(&another); wanted != 1 {
		t.Error("the fetcher died, and the next one does not want the fetch")
	}
	if _, err := f.EndFetch(t.Context(), &contract.EndFetchRequest{Account: account, Succeeded: true}); err != nil {
		t.Fatal(err)
	}
	var third []byte
	if _, wanted := b.changed(&third); wanted != 0 {
		t.Error("a fetch that ended is wanted again")
	}
}
