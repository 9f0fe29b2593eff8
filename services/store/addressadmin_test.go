package store

import (
	"slices"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

func (b *box) assign(address, user string, first bool) error {
	b.t.Helper()
	_, err := admin{b.Store}.AssignAddress(b.t.Context(), &contract.AssignAddressRequest{Address: address, User: user, First: first})
	return err
}

func (b *box) removeAddress(address string) error {
	b.t.Helper()
	_, err := admin{b.Store}.RemoveAddress(b.t.Context(), &contract.AddressRequest{Address: address})
	return err
}

func (b *box) move(account, user string, first bool) error {
	b.t.Helper()
	_, err := admin{b.Store}.MoveAccount(b.t.Context(), &contract.MoveAccountRequest{Account: account, User: user, First: first})
	return err
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// owns says what a user has, each in its order.
func (b *box) owns(user string, accounts, addresses []string) {
	b.t.Helper()
	u := b.user(user)
	if u == nil {
		b.t.Errorf("no user %q", user)
		return
	}
	if !slices.Equal(u.Accounts, accounts) || !slices.Equal(u.Addresses, addresses) {
		b.t.Errorf("user %s has accounts %q, addresses %q; want %q, %q", user, u.Accounts, u.Addresses, accounts, addresses)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.apply("[users]\nlicences = 1\n")
	me := []string{"me@gmx.de@pop3.gmx.de"}
	b.enrolled(me[0])
	b.enrolled("Boss@Bücher.example@pop3.example.org")
	b.addUser("anna")
	for _, tt := range []struct {
		address, user string
		kind          error
		want          string
	}{
		{"anna", "anna", contract.ErrInvalid, "needs the form name@domain"},
		{"", "anna", contract.ErrInvalid, "needs the form name@domain"},
		{"a..b@gmx.de", "anna", contract.ErrInvalid, "isn't a name"},
		{"a@gmx.de", "", contract.ErrInvalid, "a user's name is missing"},
		{"a@gmx.de", "nobody", contract.ErrNotFound, `no user "nobody"`},
		{"ME+gmx.de@pop3proxy.reddoxx", "anna", contract.ErrConflict, `is an address of user "me+gmx.de": it's the one that this user was made with`},
		{"ME@gmx.de", "anna", contract.ErrConflict, `ME@gmx.de is the login of account me@gmx.de@pop3.gmx.de, which is of user "me+gmx.de"`},
		{"boss@xn--bcher-kva.example", "anna", contract.ErrConflict, `is the login of account Boss@bücher.example@pop3.example.org`},
		{`"boss"@BÜCHER.example`, "anna", contract.ErrConflict, `is the login of account Boss@bücher.example@pop3.example.org`},
	} {
		mustRefuse(t, tt.address+" to "+tt.user, b.assign(tt.address, tt.user, false), tt.kind, tt.want)
	}
	for range 2 {
		b.must(b.assign("Me@GMX.de", "ME+gmx.de", false))
	}
	b.must(b.assign("sales@firma.example", "me+gmx.de", true))
	b.owns("me+gmx.de", me, []string{"sales@firma.example", "me+gmx.de@pop3proxy.reddoxx", "Me@gmx.de"})
	b.must(b.assign("me@gmx.de", "me+gmx.de", true))
	b.owns("me+gmx.de", me, []string{"Me@gmx.de", "sales@firma.example", "me+gmx.de@pop3proxy.reddoxx"})
	mustRefuse(t, "another's", b.assign("SALES@firma.example", "anna", false), contract.ErrConflict,
		"SALES@firma.example is an address of user \"me+gmx.de\": `postroom address remove` takes it off")
	b.must(b.assign("anna@firma.example", "anna", false))

	answer, err := admin{b.Store}.ListAddresses(t.Context(), &contract.ListAddressesRequest{})
	b.must(err)
	var list []string
	for _, a := range answer.Addresses {
		line := a.Address + " " + a.User + " " + a.Profile
		if a.First {
			line += " first"
		}
		list = append(list, line)
	}
	want := []string{
		"anna@firma.example anna Built-in", "anna@pop3proxy.reddoxx anna Built-in first",
		"Boss+bücher.example@pop3proxy.reddoxx Boss+bücher.example Built-in first",
		"me+gmx.de@pop3proxy.reddoxx me+gmx.de Default", "Me@gmx.de me+gmx.de Default first", "sales@firma.example me+gmx.de Default",
	}
	if !slices.Equal(list, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(list, "\n"), strings.Join(want, "\n"))
	}

	mustRefuse(t, "its own", b.removeAddress("Me+GMX.de@pop3proxy.reddoxx"), contract.ErrConflict, `user "me+gmx.de" was made with`)
	mustRefuse(t, "nobody's", b.removeAddress("x@gmx.de"), contract.ErrNotFound, `address "x@gmx.de" is nobody's`)
	b.must(b.removeAddress("ME@gmx.de"))
	b.must(b.removeAddress("Sales@firma.example"))
	b.must(b.assign("sales@firma.example", "anna", false))
	b.owns("me+gmx.de", me, []string{"me+gmx.de@pop3proxy.reddoxx"})
	b.must(b.assign("sales@pop3proxy.reddoxx", "anna", false)) // somebody's name later: that user gets another
	b.enrolled("sales@pop3.example.org")
	b.owns("sales+pop3.example.org", []string{"sales@pop3.example.org"}, []string{"sales+pop3.example.org@pop3proxy.reddoxx"})
	mustRefuse(t, "a taken first address", func() error {
		_, err := admin{b.Store}.AddUser(t.Context(), &contract.AddUserRequest{Name: "Sales", Password: secret})
		return err
	}(), contract.ErrConflict, `is an address of user "anna"`)
}

func TestMoveAccount(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const me, other, boss = "me@gmx.de@pop3.gmx.de", "other@gmx.de@pop3.gmx.de", "boss@pop3.example.org"
	for _, name := range []string{me, other, boss} {
		b.enrolled(name)
	}
	b.addUser("Anna")
	b.must(b.assign("me@gmx.de", "me+gmx.de", false))
	b.must(b.assign("other@gmx.de", "other+gmx.de", false))
	mustRefuse(t, "nobody's", b.move("nobody@pop3.gmx.de", "anna", false), contract.ErrNotFound, "no account")
	mustRefuse(t, "to nobody", b.move(me, "nobody", false), contract.ErrNotFound, `no user "nobody"`)
	mustRefuse(t, "an address first", b.assign("other@gmx.de", "anna", false), contract.ErrConflict, "is an address of user")

	for range 2 {
		b.must(b.move(me, "anna", false))
	}
	if u := b.user("me+gmx.de"); u != nil {
		t.Errorf("the emptied user is there: %v", u)
	}
	b.owns("anna", []string{me}, []string{"Anna@pop3proxy.reddoxx", "me+gmx.de@pop3proxy.reddoxx", "me@gmx.de"})
	b.must(b.move(other, "anna", true))
	b.owns("anna", []string{other, me}, []string{"Anna@pop3proxy.reddoxx", "me+gmx.de@pop3proxy.reddoxx", "me@gmx.de", "other+gmx.de@pop3proxy.reddoxx", "other@gmx.de"})
	b.must(b.move(me, "anna", true))
	b.must(b.removeAddress("other+gmx.de@pop3proxy.reddoxx")) // was another's own
	b.owns("anna", []string{me, other}, []string{"Anna@pop3proxy.reddoxx", "me+gmx.de@pop3proxy.reddoxx", "me@gmx.de", "other@gmx.de"})
	shown, err := admin{b.Store}.ShowAccount(t.Context(), &contract.ShowAccountRequest{Name: me})
	if err != nil || shown.Status.User != "Anna" || len(shown.Addresses) != 4 || !shown.Licensed {
		t.Errorf("got %v, %v", shown, err)
	}

	b.must(b.move(me, "boss", false)) // its login goes with it, and what the user has besides stays
	b.owns("boss", []string{boss, me}, []string{"boss@pop3proxy.reddoxx", "me@gmx.de"})
	b.must(b.move(other, "boss", false))
	b.owns("anna", []string{}, []string{"Anna@pop3proxy.reddoxx", "me+gmx.de@pop3proxy.reddoxx"}) // local users stay
	b.owns("boss", []string{boss, me, other}, []string{"boss@pop3proxy.reddoxx", "me@gmx.de", "other@gmx.de"})

	remove := func(name string) {
		t.Helper()
		_, err := admin{b.Store}.RemoveAccount(t.Context(), &contract.RemoveAccountRequest{Name: name})
		b.must(err)
	}
	remove(boss)
	b.owns("boss", []string{me, other}, []string{"boss@pop3proxy.reddoxx", "me@gmx.de", "other@gmx.de"})
	b.must(b.move(me, "anna", false))
	remove(me)
	b.owns("anna", []string{}, []string{"Anna@pop3proxy.reddoxx", "me+gmx.de@pop3proxy.reddoxx", "me@gmx.de"})
	remove(other)
	if u := b.user("boss"); u != nil {
		t.Errorf("the emptied user is there: %v", u)
	}
	// The names are free again, but for addresses that somebody has.
	b.enrolled(me)
	b.owns("me+gmx.de+pop3.gmx.de", []string{me}, []string{"me+gmx.de+pop3.gmx.de@pop3proxy.reddoxx"})
	b.enrolled(boss)
	b.owns("boss", []string{boss}, []string{"boss@pop3proxy.reddoxx"})
}

// The licence of a user that goes with its account is for who waits longest, be it the one that gets the account.
func TestMoveAccountPassesTheLicenceOn(t *testing.T) {
	t.Parallel()
	b := seats{newBox(t)}
	b.licences(1)
	b.enrol(1, 2, 3)
	b.must(b.move("u1@pop3.example.org", "u2", false))
	b.want("u2", "u3")
}

// One login at two providers: each of the users may have the address.
func TestAddressThatIsTheLoginOfTwo(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.enrolled("me@gmx.de@pop3.gmx.de")
	b.enrolled("me@gmx.de@pop3.gmx.net")
	b.addUser("anna")
	mustRefuse(t, "a third", b.assign("me@gmx.de", "anna", false), contract.ErrConflict, "is the login of account")
	b.must(b.assign("me@gmx.de", "me+gmx.de+pop3.gmx.net", false))
	b.must(b.move("me@gmx.de@pop3.gmx.de", "me+gmx.de+pop3.gmx.net", false))
	b.must(b.move("me@gmx.de@pop3.gmx.de", "anna", false)) // the other account has that login still
	b.owns("me+gmx.de+pop3.gmx.net", []string{"me@gmx.de@pop3.gmx.net"},
		[]string{"me+gmx.de+pop3.gmx.net@pop3proxy.reddoxx", "me@gmx.de", "me+gmx.de@pop3proxy.reddoxx"})
}

func TestBoundsOfAUser(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.enrolled("me@pop3.gmx.de")
	b.addUser("anna")
	b.update(func(tx *engine.Txn) {
		u, err := loadUser(&tx.Reader, userKey("anna"))
		if err != nil {
			t.Error(err)
		}
		for i := len(u.Addresses); i < maxUserAddresses; i++ {
			addAddress(tx, u, strings.Repeat("x", i+1)[:i%50+1]+string(rune('a'+i/50))+"@firma.example", false)
		}
		saveUser(tx, u)
	})
	mustRefuse(t, "one more", b.assign("more@firma.example", "anna", false), contract.ErrConflict, "has 1000 addresses")
	mustRefuse(t, "those of an account's user", b.move("me@pop3.gmx.de", "anna", false), contract.ErrConflict, "would have 1001 addresses")
	b.owns("me", []string{"me@pop3.gmx.de"}, []string{"me@pop3proxy.reddoxx"})
}

// `store check` compares users, accounts, addresses and licences both ways.
func TestCheckOfUsers(t *testing.T) {
	t.Parallel()
	b := seats{newBox(t)}
	b.licences(1)
	b.enrol(1, 2)
	b.addUser("anna")
	for _, tt := range []struct {
		name, want string
		bucket     engine.Bucket
		key        []byte
		change     func(u *rows.User) // of a user; nil: the row goes
	}{
		{"an address's row is missing", `user "u1": address "u1@pop3proxy.reddoxx" is of user ""`, engine.Addresses, []byte("u1@pop3proxy.reddoxx"), nil},
		{"a user is missing", `address "u2@pop3proxy.reddoxx": is of user "u2", who doesn't have it`, engine.Users, userKey("u2"), nil},
		{"a user is missing", `account u2@pop3.example.org: is of user "u2", who doesn't have it`, engine.Users, userKey("u2"), nil},
		{"a user is missing", `user "u2": stands in the line for a licence, and doesn't wait`, engine.Users, userKey("u2"), nil},
		{"a user lost an address", `address "u1@pop3proxy.reddoxx": is of user "u1", who doesn't have it`, engine.Users, userKey("u1"), func(u *rows.User) { u.Addresses = nil }},
		{"a user lost an address", `user "u1": its own address "u1@pop3proxy.reddoxx" is missing`, engine.Users, userKey("u1"), func(u *rows.User) { u.Addresses = nil }},
		{"a user has another's address", `user "u1": address "u2@pop3proxy.reddoxx" is of user "u2"`, engine.Users, userKey("u1"), func(u *rows.User) { u.Addresses = append(u.Addresses, "u2@pop3proxy.reddoxx") }},
		{"a user lost its account", `user "u1": was made for an account, and has none`, engine.Users, userKey("u1"), func(u *rows.User) { u.Accounts = nil }},
		{"a user has an account that isn't there", `user "anna": account 30303030303030303030303030303030 is of user ""`, engine.Users, userKey("anna"), func(u *rows.User) { u.Accounts = [][]byte{[]byte("0000000000000000")} }},
		{"a user has another name", `user "u3": its row is that of "u1"`, engine.Users, userKey("u1"), func(u *rows.User) { u.Name = "u3" }},
		{"a licence isn't counted", "licences: 1 are counted, 0 users have one", engine.Users, userKey("u1"), func(u *rows.User) { u.Licensed, u.Withdrawn = false, true }},
		{"who has one waits", `user "u2": licensed true, withdrawn false, waiting true`, engine.Users, userKey("u2"), func(u *rows.User) { u.Licensed = true }},
		{"nobody knows who waits", `user "u2": licensed false, withdrawn false, waiting false`, engine.Users, userKey("u2"), func(u *rows.User) { u.Place = 0 }},
		{"waits in no line", `user "u2": waits for a licence, and stands in no line`, engine.Users, userKey("u2"), func(u *rows.User) { u.Place = 7 }},
		{"an account isn't found", "account u1@pop3.example.org: isn't found by its name", engine.AccountNames, []byte("~u1@pop3.example.org"), nil},
	} {
		var before []byte
		b.update(func(tx *engine.Txn) {
			before = slices.Clone(tx.Get(tt.bucket, tt.key))
			if tt.change == nil {
				tx.Delete(tt.bucket, tt.key)
				return
			}
			u, err := loadUser(&tx.Reader, tt.key)
			if err != nil {
				t.Error(err)
			}
			tt.change(u)
			tx.Save(tt.bucket, tt.key, u)
		})
		if problems := b.problems(); before == nil || !slices.Contains(problems, tt.want) {
			t.Errorf("%s: got\n%s\nwant %s", tt.name, strings.Join(problems, "\n"), tt.want)
		}
		b.update(func(tx *engine.Txn) { tx.Put(tt.bucket, tt.key, before) })
	}
	if problems := b.problems(); len(problems) > 0 {
		t.Errorf("whole: %q", problems)
	}
}
