package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
)

// known makes accounts known without a login, which takes longer for each that there is already.
func (b *box) known(n int, text string) {
	b.t.Helper()
	err := b.db.Update(b.t.Context(), func(t *engine.Txn) error {
		for i := range n {
			a := &account{id: accountID(fmt.Appendf(nil, "%016d", i)), Account: &rows.Account{
				Login: fmt.Sprint("u", i), Host: "pop.example.org", ProviderText: text,
			}}
			name := nameOf(a.Account)
			var err error
			if a.User, err = b.newUser(t, name, a.id); err != nil {
				return err
			}
			t.Put(engine.AccountNames, identityKey(name), a.id[:])
			t.Put(engine.AccountNames, foldedKey(name), a.id[:])
			b.saveAccount(t, a)
			if i%2 == 0 {
				if err := b.setCondition(t, contract.ConditionProvider, name.String(), text); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestStatusOfManyAccounts: a status of any size comes in pieces that fit into a message, and is whole.
func TestStatusOfManyAccounts(t *testing.T) {
	t.Parallel()
	const n = 10_000
	b := newBox(t)
	b.known(n, strings.Repeat("the provider's words ", 20))
	pieces := 0
	whole, err := contract.WholeStatus(func(q *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
		pieces++
		piece, err := admin{b.Store}.GetStatus(t.Context(), q)
		if size := proto.Size(piece); size > 2<<20 {
			t.Errorf("piece %d has %d octets", pieces, size)
		}
		if once := len(piece.GetQueues()) > 0 && piece.Version != ""; once != (pieces == 1) {
			t.Errorf("piece %d: what is there once: %t", pieces, once)
		}
		return piece, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Accounts) != n || len(whole.Conditions) != n/2 || len(whole.Cursor) != 0 || pieces < 5 {
		t.Fatalf("%d accounts, %d conditions in %d pieces", len(whole.Accounts), len(whole.Conditions), pieces)
	}
	for i, a := range whole.Accounts {
		if want := fmt.Sprintf("u%d@pop.example.org", i); a.Account != want {
			t.Fatalf("account %d is %s, want %s", i, a.Account, want)
		}
	}
	seen := map[string]bool{}
	for _, c := range whole.Conditions {
		if seen[c.Subject] = true; c.Name != contract.ConditionProvider || c.Text == "" {
			t.Fatalf("condition %v", c)
		}
	}
	if len(seen) != n/2 {
		t.Errorf("conditions of %d accounts, want %d", len(seen), n/2)
	}
	if _, err := (admin{b.Store}).GetStatus(t.Context(), &contract.GetStatusRequest{Cursor: []byte("x")}); !errors.Is(err, contract.ErrInvalid) {
		t.Errorf("another cursor: %v", err)
	}
}

// TestStatusInSmallPieces ends pieces at every place.
func TestStatusInSmallPieces(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.known(9, "text")
	err := b.db.View(func(r *engine.Reader) error {
		for room := 1; room < 400; room++ {
			var accounts []*contract.AccountStatus
			var conditions []*contract.Condition
			var last []byte
			for more := true; more; more = last != nil {
				left := room
				list, at, err := b.accountStatuses(r, last, &left)
				if err != nil {
					return err
				}
				accounts, last = append(accounts, list...), at
			}
			left := 0
			for more := true; more; more = last != nil {
				list, at, err := listConditions(r, last, &left)
				if err != nil {
					return err
				}
				conditions, last, left = append(conditions, list...), at, room
			}
			if len(accounts) != 9 || len(conditions) != 5 {
				t.Errorf("room for %d: %d accounts, %d conditions", room, len(accounts), len(conditions))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
