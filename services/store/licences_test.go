package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/engine"
)

// seats is a box whose users are u1, u2, … at one provider.
type seats struct{ *box }

func (b seats) licences(n int) {
	b.t.Helper()
	b.apply(fmt.Sprintf("[users]\nlicences = %d\n", n))
}

func (b seats) enrol(numbers ...int) {
	b.t.Helper()
	for _, n := range numbers {
		b.enrolled(fmt.Sprintf("u%d@pop3.example.org", n))
	}
}

func (b seats) remove(n int) {
	b.t.Helper()
	if _, err := (admin{b.Store}).RemoveAccount(b.t.Context(), &contract.RemoveAccountRequest{Name: fmt.Sprintf("u%d@pop3.example.org", n)}); err != nil {
		b.t.Fatal(err)
	}
}

func (b seats) set(n int, licensed bool) error {
	b.t.Helper()
	_, err := admin{b.Store}.SetLicence(b.t.Context(), &contract.SetLicenceRequest{User: fmt.Sprint("U", n), Licensed: licensed})
	return err
}

// want says who has a licence, and who waits for one.
func (b seats) want(licensed, waiting string) {
	b.t.Helper()
	var has, waits []string
	for _, u := range b.users() {
		if u.Licensed {
			has = append(has, u.Name)
		}
		if u.Waiting != nil {
			waits = append(waits, u.Name)
		}
		if u.Licensed && u.Waiting != nil {
			b.t.Errorf("%s has a licence, and waits for one", u.Name)
		}
	}
	if got := strings.Join(has, " "); got != licensed {
		b.t.Errorf("licensed: got %q, want %q", got, licensed)
	}
	if got := strings.Join(waits, " "); got != waiting {
		b.t.Errorf("waiting: got %q, want %q", got, waiting)
	}
}

// A licence goes to a new user while any is free, and one that gets free to who waits longest, whether its user goes, the owner
// withdraws it, or there are more. Fewer take none away.
func TestLicences(t *testing.T) {
	t.Parallel()
	b := seats{newBox(t)}
	b.licences(2)
	b.enrol(1, 2, 9, 4) // 9 waits longer than 4
	b.want("u1 u2", "u4 u9")
	b.remove(1)
	b.want("u2 u9", "u4")
	b.enrol(5)
	b.remove(5) // had none, and waits no more
	b.want("u2 u9", "u4")

	if err := b.set(9, false); err != nil {
		t.Fatal(err)
	}
	b.want("u2 u4", "")
	if err := b.set(9, true); err == nil || !strings.Contains(err.Error(), "no licence is free: all 2 are assigned (setting users.licences)") {
		t.Errorf("a third licence of two: %v", err)
	}
	b.enrol(6, 7, 8)
	b.want("u2 u4", "u6 u7 u8")
	b.licences(4)
	b.want("u2 u4 u6 u7", "u8")
	b.licences(6)
	b.want("u2 u4 u6 u7 u8", "") // 9 was taken its own
	if err := b.set(9, true); err != nil {
		t.Fatal(err)
	}
	if err := b.set(9, true); err != nil { // again
		t.Error(err)
	}
	b.want("u2 u4 u6 u7 u8 u9", "")

	b.licences(3)
	b.want("u2 u4 u6 u7 u8 u9", "")
	if c := b.condition(contract.ConditionLicences); c == nil || !strings.Contains(c.Text, "6 users with a licence, and the setting users.licences gives 3") {
		t.Errorf("three too many: %v", c)
	}
	b.enrol(3)
	for _, n := range []int{2, 4} {
		if err := b.set(n, false); err != nil {
			t.Fatal(err)
		}
	}
	b.want("u6 u7 u8 u9", "u3")
	if c := b.condition(contract.ConditionLicences); c == nil || !strings.Contains(c.Text, "4 users with a licence, and the setting users.licences gives 3") {
		t.Errorf("one too many: %v", c)
	}
	b.remove(6)
	if c := b.condition(contract.ConditionLicences); c != nil {
		t.Errorf("condition stays: %v", c)
	}
	b.want("u7 u8 u9", "u3")
	b.reopen("two")
	b.want("u7 u8 u9", "u3")
	b.licences(4)
	b.want("u3 u7 u8 u9", "")
}

// A store from before the count was kept counts its users, whoever comes or goes first.
func TestLicencesAreCountedWhereNoCountIs(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(b seats){
		"enrol":    func(b seats) { b.enrol(4); b.want("u1 u2", "u3 u4") },
		"remove":   func(b seats) { b.remove(1); b.enrol(4); b.want("u2 u3", "u4") },
		"withdraw": func(b seats) { b.set(2, false); b.enrol(4); b.want("u1 u3", "u4") },
		"raise":    func(b seats) { b.licences(4); b.enrol(4, 5); b.want("u1 u2 u3 u4", "u5") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := seats{newBox(t)}
			b.licences(2)
			b.enrol(1, 2, 3)
			b.update(func(t *engine.Txn) { t.Delete(engine.Meta, licensedKey) })
			then(b)
		})
	}
}

// In one commit, settings that allow more and a user that goes: nobody waits while a licence is free, whichever came first.
func TestLicencesOfOneCommit(t *testing.T) {
	t.Parallel()
	for _, raiseFirst := range []bool{true, false} {
		b := seats{newBox(t)}
		b.licences(1)
		b.enrol(1, 2, 3, 4)
		raise := &engine.Call{Plan: planOf(func(t *engine.Txn) error { return b.setLicences(t, 2) })}
		remove := &engine.Call{Plan: planOf(func(t *engine.Txn) error {
			a, err := accountByName(&t.Reader, "u1@pop3.example.org")
			if err != nil {
				return err
			}
			return b.Store.remove(t, a)
		})}
		list := []*engine.Call{remove, raise}
		if raiseFirst {
			slices.Reverse(list)
		}
		for _, err := range b.db.CommitAll(t.Context(), list) {
			if err != nil {
				t.Fatal(err)
			}
		}
		b.want("u2 u3", "u4")
	}
}
