package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"

	"google.golang.org/protobuf/proto"
)

func planOf(plan func(t *engine.Txn) error) func(*engine.Txn, []segment.Location) error {
	return func(t *engine.Txn, _ []segment.Location) error { return plan(t) }
}

func (b *box) apply(text string) {
	b.t.Helper()
	answer, err := admin{b.Store}.ApplySettings(b.t.Context(), &contract.ApplySettingsRequest{File: "test", Text: []byte(text)})
	if err != nil || answer.Problem != "" {
		b.t.Fatal(answer, err)
	}
}

func (b *box) update(change func(t *engine.Txn)) {
	b.t.Helper()
	if err := b.db.Update(b.t.Context(), func(t *engine.Txn) error { change(t); return nil }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) users() (list []*contract.UserInfo) {
	b.t.Helper()
	q := &contract.ListUsersRequest{}
	for {
		answer, err := admin{b.Store}.ListUsers(b.t.Context(), q)
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, answer.Users...)
		if !answer.More {
			return list
		}
		q.After = list[len(list)-1].Name
	}
}

// user gives a user, nil for none.
func (b *box) user(name string) *contract.UserInfo {
	b.t.Helper()
	answer, err := admin{b.Store}.ShowUser(b.t.Context(), &contract.UserRequest{Name: name})
	if errors.Is(err, contract.ErrNotFound) {
		return nil
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.User
}

func (b *box) addUser(name string) {
	b.t.Helper()
	if _, err := (admin{b.Store}).AddUser(b.t.Context(), &contract.AddUserRequest{Name: name, Password: secret}); err != nil {
		b.t.Fatal(err)
	}
}

// mustRefuse wants an error of a kind, with words.
func mustRefuse(t *testing.T, what string, err, kind error, words string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: got %v, want %v with %q", what, err, kind, words)
	}
}

func TestLocalUsers(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	a := admin{b.Store}
	ctx := t.Context()
	add := func(name, password string) error {
		_, err := a.AddUser(ctx, &contract.AddUserRequest{Name: name, Password: password})
		return err
	}
	for _, tt := range []struct{ name, password, want string }{
		{"", secret, "name is missing"},
		{"anna@gmx.de", secret, "has no @"},
		{" anna", secret, "begins or ends with a space"},
		{"an\u202ena", secret, "invisible"},
		{"an\xffna", secret, "invisible"},
		{strings.Repeat("a", 65), secret, "64 octets at most"},
		{"anna", "", "a password has 1 to 1024 octets"},
		{"anna", strings.Repeat("x", 1025), "a password has 1 to 1024 octets"},
	} {
		mustRefuse(t, tt.name, add(tt.name, tt.password), contract.ErrInvalid, tt.want)
	}
	before := time.Now()
	for range 2 { // the answer was lost
		if err := add("Anna Berg", secret); err != nil {
			t.Fatal(err)
		}
	}
	u := b.user("anna berg")
	if u == nil || u.Name != "Anna Berg" || !u.Local || !u.Licensed || u.Created.AsTime().Before(before) || len(u.Accounts) != 0 ||
		len(u.Addresses) != 1 || u.Addresses[0] != `"Anna Berg"@pop3proxy.reddoxx` {
		t.Errorf("got %v", u)
	}
	mustRefuse(t, "another password", add("Anna Berg", "another"), contract.ErrConflict, `there is a user "Anna Berg" already`)
	mustRefuse(t, "another case", add("anna berg", secret), contract.ErrConflict, `there is a user "Anna Berg" already`)

	kept := func() string {
		var u rows.User
		if err := b.db.View(func(r *engine.Reader) error { _, err := r.Load(engine.Users, userKey("anna berg"), &u); return err }); err != nil {
			t.Fatal(err)
		}
		return u.PasswordHash
	}
	first := kept()
	if !strings.HasPrefix(first, "$argon2id$v=19$m=19456,t=2,p=1$") || !b.isPassword(first, secret) || b.isPassword(first, secret+"x") {
		t.Errorf("kept: %q", first)
	}
	if _, err := a.SetUserPassword(ctx, &contract.AddUserRequest{Name: "ANNA BERG", Password: "another"}); err != nil {
		t.Fatal(err)
	}
	if second := kept(); !b.isPassword(second, "another") || b.isPassword(second, secret) {
		t.Errorf("kept: %q", second)
	}
	b.enrolled("me@gmx.de@pop3.gmx.de")
	_, err := a.SetUserPassword(ctx, &contract.AddUserRequest{Name: "me+gmx.de", Password: "another"})
	mustRefuse(t, "an account's user", err, contract.ErrConflict, "change that at the provider")
	mustRefuse(t, "an account's user", add("me+gmx.de", secret), contract.ErrConflict, `there is a user "me+gmx.de" already`)
	_, err = a.RemoveUser(ctx, &contract.UserRequest{Name: "me+gmx.de"})
	mustRefuse(t, "an account's user", err, contract.ErrConflict, "has 1 account;")

	b.enrolled("anna berg@pop.one.example") // never joins her
	if u := b.user("anna berg+pop.one.example"); u == nil || len(u.Accounts) != 1 {
		t.Errorf("got %v", u)
	}
	if _, err := a.RemoveUser(ctx, &contract.UserRequest{Name: "anna berg"}); err != nil {
		t.Fatal(err)
	}
	if u := b.user("anna berg"); u != nil {
		t.Errorf("removed: %v", u)
	}
	_, err = a.RemoveUser(ctx, &contract.UserRequest{Name: "anna berg"})
	mustRefuse(t, "removed", err, contract.ErrNotFound, `no user "anna berg"`)
	b.addUser("Anna Berg") // the address is free again

	b.reopen("two")
	err = filepath.WalkDir(b.cfg.Dir, func(name string, _ os.DirEntry, err error) error {
		octets, readErr := os.ReadFile(name)
		if readErr == nil && (bytes.Contains(octets, []byte(secret)) || bytes.Contains(octets, []byte("another"))) {
			t.Errorf("%s holds a password", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPasswordIsComparedByItsOwnParameters(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	// The reference program: echo -n password | argon2 somesalt -id -v 13 -t 2 -m 16 -p 1
	const kept = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if !b.isPassword(kept, "password") || b.isPassword(kept, "Password") {
		t.Error("the reference's hash isn't understood")
	}
	for _, bad := range []string{
		"", "$", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=65536,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$argon2id$v=18$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if b.isPassword(bad, "password") || b.isPassword(bad, "") {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A list of users, or addresses, of any size comes in pieces that fit into a message, and is whole.
func TestListsInPieces(t *testing.T) {
	t.Parallel()
	const users, each = 20, 300
	b := newBox(t)
	b.known(users, "text")
	b.update(func(tx *engine.Txn) {
		for i := range users {
			u, err := loadUser(&tx.Reader, userKey(fmt.Sprint("u", i)))
			if err != nil {
				t.Error(err)
			}
			for n := range each - 1 {
				addAddress(tx, u, fmt.Sprintf("%s%d@u%d.example", strings.Repeat("x", 220), n, i), false)
			}
			saveUser(tx, u)
		}
	})
	all, asked := 0, &contract.ListUsersRequest{}
	for pieces := 1; ; pieces++ {
		answer, err := admin{b.Store}.ListUsers(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range answer.Users {
			all++
			if u.Name <= asked.After || len(u.Addresses) != each || len(u.Accounts) != 1 {
				t.Fatalf("behind %q: %v", asked.After, u)
			}
			asked.After = u.Name
		}
		if size := proto.Size(answer); size > 2<<20 {
			t.Errorf("an answer of %d octets", size)
		}
		if !answer.More {
			if all != users || pieces < 2 {
				t.Errorf("%d users in %d pieces", all, pieces)
			}
			break
		}
	}
	q, addresses := &contract.ListAddressesRequest{}, 0
	for pieces := 1; ; pieces++ {
		answer, err := admin{b.Store}.ListAddresses(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range answer.Addresses {
			if a.Address <= q.After || a.First != (a.Address == a.User+"@pop3proxy.reddoxx") {
				t.Fatalf("behind %q: %v", q.After, a)
			}
			q.After = a.Address
			addresses++
		}
		if size := proto.Size(answer); size > 2<<20 {
			t.Errorf("an answer of %d octets", size)
		}
		if !answer.More {
			if addresses != users*each || pieces < 2 {
				t.Errorf("%d addresses in %d pieces", addresses, pieces)
			}
			break
		}
	}
}

// Rows of users and addresses as the version before wrote them are read, and brought up to date at the start; so are those that it
// wrote when it was there again for a while.
func TestUsersOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	b := seats{newBox(t)}
	b.licences(1)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.cfg.Now = func() time.Time { now = now.Add(time.Minute); return now }
	b.open()
	b.enrolled("käthe müller@gmx.de@pop3.gmx.de")
	b.enrolled("late@pop3.example.org")
	b.enrolled("Early@pop3.example.org")
	old := func(name string, licensed bool, address string) {
		b.update(func(tx *engine.Txn) {
			u, err := loadUser(&tx.Reader, userKey(name))
			if err != nil {
				t.Error(err)
			}
			giveUpWaiting(tx, u)
			saveUser(tx, &rows.User{Name: u.Name, Accounts: u.Accounts, Addresses: []string{address}, Licensed: licensed})
			tx.Put(engine.Addresses, []byte(strings.ToLower(address)), userKey(name))
		})
	}
	age := func() {
		t.Helper()
		old("käthe müller+gmx.de", true, "käthe müller+gmx.de@pop3proxy.reddoxx")
		old("Early", false, "Early@pop3proxy.reddoxx")
		old("late", false, "late@pop3proxy.reddoxx")
		b.update(func(tx *engine.Txn) {
			a, err := accountByName(&tx.Reader, "Early@pop3.example.org")
			if err != nil {
				t.Error(err)
			}
			a.Created -= int64(time.Hour)
			b.saveAccount(tx, a)
			tx.Delete(engine.Meta, licencesKey)
			tx.Put(engine.Meta, waitingKey(tx.NewID()), []byte("removed by the version before"))
		})
		b.reopen(now.String())
	}
	age()
	b.want("käthe müller+gmx.de", "Early late")
	u := b.user("early")
	if u.Waiting.AsTime() != u.Created.AsTime() || !u.Created.AsTime().Before(b.user("late").Created.AsTime()) {
		t.Errorf("created %v, waits since %v", u.Created.AsTime(), u.Waiting.AsTime())
	}
	shown, err := admin{b.Store}.ShowUser(t.Context(), &contract.UserRequest{Name: "käthe müller+gmx.de"})
	if err != nil || len(shown.Addresses) != 1 || shown.Addresses[0].Address != `"käthe müller+gmx.de"@pop3proxy.reddoxx` || shown.Addresses[0].Profile != "Default" {
		t.Errorf("got %v, %v", shown, err)
	}
	_, err = admin{b.Store}.RemoveAddress(t.Context(), &contract.AddressRequest{Address: `"Käthe Müller+gmx.de"@pop3proxy.reddoxx`})
	mustRefuse(t, "its own address", err, contract.ErrConflict, "goes with the user")
	age()
	b.want("käthe müller+gmx.de", "Early late")
	if _, err := (admin{b.Store}).RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: "käthe müller@gmx.de@pop3.gmx.de"}); err != nil {
		t.Fatal(err)
	}
	b.want("Early", "late")
}

// A login that is too long for an address has a user all the same.
func TestUserOfALongLogin(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	long := strings.Repeat("L", 245)
	b.enrolled(long + "@pop3.example.org")
	b.enrolled(long + "@pop4.example.org")
	list := b.users()
	if len(list) != 2 || list[0].Addresses[0] == list[1].Addresses[0] {
		t.Errorf("got %v", list)
	}
}
