package store

import (
	"fmt"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

// A licence goes to a new user while any is free, and is free again when its user goes. A store from before the count was
// kept counts its users.
func TestLicences(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if answer, err := (admin{b.Store}).ApplySettings(t.Context(), &contract.ApplySettingsRequest{Text: []byte("[users]\nlicences = 2\n")}); err != nil || answer.Problem != "" {
		t.Fatal(answer, err)
	}
	name := func(n int) string { return fmt.Sprintf("user%d@pop3.example.org", n) }
	enrol := func(n int, want bool) {
		t.Helper()
		b.enrolled(name(n))
		shown, err := (admin{b.Store}).ShowAccount(t.Context(), &contract.ShowAccountRequest{Name: name(n)})
		if err != nil {
			t.Fatal(err)
		}
		if shown.Licensed != want {
			t.Errorf("user %d: licensed is %v, want %v", n, shown.Licensed, want)
		}
	}
	remove := func(n int) {
		t.Helper()
		if _, err := (admin{b.Store}).RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: name(n)}); err != nil {
			t.Fatal(err)
		}
	}
	enrol(1, true)
	enrol(2, true)
	enrol(3, false)
	remove(3) // had none to give back
	enrol(4, false)
	remove(1)
	enrol(5, true)
	remove(5)
	err := b.db.Update(t.Context(), func(t *engine.Txn) error {
		t.Delete(engine.Meta, licensedKey)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	enrol(6, true)
	enrol(7, false)
}
