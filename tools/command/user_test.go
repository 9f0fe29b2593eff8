package command

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"

	"google.golang.org/protobuf/proto"
)

// refuses runs the command, and wants it to fail with words.
func (b *testBox) refuses(t *testing.T, status int, want string, args ...string) {
	t.Helper()
	if r := postroom(t, b.data, args...); r.status != status || !strings.Contains(r.err, want) || r.out != "" {
		t.Errorf("postroom %q: exit status %d, %q, %q; want %d, %q", args, r.status, r.out, r.err, status, want)
	}
}

// says runs the command with an input, and wants its answer.
func (b *testBox) says(t *testing.T, want, input string, args ...string) {
	t.Helper()
	if r := postroomWith(t, b.data, input, args...); r.status != 0 || r.out != want || r.err != "" {
		t.Errorf("postroom %q: exit status %d, %q, %q; want %q", args, r.status, r.out, r.err, want)
	}
}

func TestUserCommands(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const me, boss = "me@gmx.de@pop3.gmx.de", "boss@pop3.example.org"
	for _, command := range []string{"user", "address"} {
		if out := b.on(t, command, "list"); !strings.HasPrefix(out, "No ") {
			t.Errorf("%s list of an empty box: %q", command, out)
		}
	}
	b.says(t, "standard input is in force\n", "[users]\nlicences = 2\n", "settings", "apply", "-")
	b.enrol(t, me)
	b.enrol(t, boss)
	b.says(t, "anna: added\n", "a password\n", "user", "add", "anna")
	b.says(t, "anna: password set\n", "another\r\n", "user", "password", "anna")
	b.says(t, "me@gmx.de: is of user me+gmx.de\n", "", "address", "assign", "me@gmx.de", "me+gmx.de", "--first")
	golden(t, "users.json", b.on(t, "user", "list", "--json"))
	golden(t, "user.json", b.on(t, "user", "show", "me+gmx.de", "--json"))
	golden(t, "addresses.json", b.on(t, "address", "list", "--json"))
	golden(t, "addresses.txt", b.on(t, "address", "list"))
	golden(t, "licences.json", b.on(t, "licence", "list", "--json"))

	for _, test := range []struct {
		status int
		want   string
		args   []string
	}{
		{1, "standard input holds no password", []string{"user", "add", "berta"}},
		{2, "user add: NAME is missing", []string{"user", "add"}},
		{1, "more than one line", []string{"user", "password", "anna"}},
		{1, `no user "nobody"`, []string{"user", "show", "nobody"}},
		{1, `user "boss" has 1 account;`, []string{"user", "remove", "boss"}},
		{1, "no account", []string{"user", "move", "nobody@pop3.gmx.de", "anna"}},
		{1, `which is of user "me+gmx.de"`, []string{"address", "assign", `"me"@GMX.de`, "anna"}},
		{1, "needs the form name@domain", []string{"address", "assign", "me", "anna"}},
		{1, "stays with it", []string{"address", "assign", "boss@pop3proxy.reddoxx", "anna"}},
		{1, "goes with the user", []string{"address", "remove", "boss@pop3proxy.reddoxx"}},
		{1, "is nobody's", []string{"address", "remove", "nobody@gmx.de"}},
		{1, "no licence is free: all 2 are assigned", []string{"licence", "assign", "anna"}},
	} {
		input := ""
		if strings.HasPrefix(test.want, "more than") {
			input = "one\ntwo\n"
		}
		if test.want == `which is of user "me+gmx.de"` { // it's assigned already
			b.says(t, "me@gmx.de: removed\n", "", "address", "remove", "me@gmx.de")
		}
		r := postroomWith(t, b.data, input, test.args...)
		if r.status != test.status || !strings.Contains(r.err, test.want) || r.out != "" {
			t.Errorf("postroom %q: exit status %d, %q, %q; want %d, %q", test.args, r.status, r.out, r.err, test.status, test.want)
		}
	}

	b.says(t, "boss: licence withdrawn\n", "", "licence", "withdraw", "boss")
	if out := b.on(t, "licence", "list"); !strings.HasPrefix(out, "2 licences, 2 assigned; 0 waiting, 1 withdrawn\n") || !strings.Contains(out, "\nboss       withdrawn\n") {
		t.Errorf("licence list:\n%s", out)
	}
	b.says(t, "standard input is in force\n", "[users]\nlicences = 1\n", "settings", "apply", "-")
	if out := b.on(t, "status"); !strings.Contains(out, "! licences since ") || !strings.Contains(out, "2 users with a licence, and the setting users.licences gives 1") {
		t.Errorf("status:\n%s", out)
	}
	b.says(t, me+": is of user anna\n", "", "user", "move", me, "anna", "--first")
	b.refuses(t, 1, `no user "me+gmx.de"`, "user", "show", "me+gmx.de")
	if out := b.on(t, "account", "show", me); !strings.Contains(out, "\nUser:          anna, licensed\nAddresses:     anna@pop3proxy.reddoxx, me+gmx.de@pop3proxy.reddoxx\n") {
		t.Errorf("account show:\n%s", out)
	}
	b.on(t, "account", "remove", me)
	b.says(t, "anna: removed\n", "", "user", "remove", "anna")
	b.says(t, "boss: licence assigned\n", "", "licence", "assign", "boss")
	if out := b.on(t, "user", "show", "boss"); !strings.Contains(out, "\nLicence:       yes\n") || !strings.Contains(out, "boss@pop3proxy.reddoxx  Default\n") {
		t.Errorf("user show:\n%s", out)
	}
}

func TestUserForms(t *testing.T) {
	t.Parallel()
	users := []*contract.UserInfo{
		{Name: "me+gmx.de", Accounts: []string{"me@gmx.de@pop3.gmx.de"}, Addresses: []string{"me@gmx.de", "me+gmx.de@pop3proxy.reddoxx"}, Licensed: true, Created: at(-3000)},
		{Name: "late\x1b[31m", Accounts: []string{"late@pop3.example.org"}, Addresses: []string{"late@pop3proxy.reddoxx"}, Waiting: at(-10), Created: at(-10)},
		{Name: "early", Accounts: []string{"early@pop3.example.org"}, Addresses: []string{"early@pop3proxy.reddoxx"}, Waiting: at(-20), Created: at(-20)},
		{Name: "anna", Addresses: []string{"anna@pop3proxy.reddoxx"}, Local: true, Created: at(-100)},
	}
	var out bytes.Buffer
	if err := printUsers(&out, users, time.UTC); err != nil {
		t.Fatal(err)
	}
	shown := &contract.ShowUserResponse{User: users[0], Addresses: []*contract.AddressInfo{
		{Address: "me@gmx.de", Profile: "Default", First: true}, {Address: "me+gmx.de@pop3proxy.reddoxx", Profile: "Built-in"},
	}}
	fmt.Fprintln(&out)
	if err := printUser(&out, shown, time.UTC); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out)
	if err := printLicences(&out, newLicenceReport(3, users), users, time.UTC); err != nil {
		t.Fatal(err)
	}
	golden(t, "users.txt", out.String())
}

// pieces is a box that gives its lists in pieces of two.
type pieces []string

func (p pieces) Close() {}

func (p pieces) Call(_ context.Context, method string, request, answer proto.Message) error {
	after := request.(interface{ GetAfter() string }).GetAfter()
	rest := p[slices.IndexFunc(append(p[:len(p):len(p)], "\xff"), func(name string) bool { return name > after }):]
	piece := rest[:min(2, len(rest))]
	for _, name := range piece {
		switch answer := answer.(type) {
		case *contract.ListUsersResponse:
			answer.Users = append(answer.Users, &contract.UserInfo{Name: name})
			answer.More = len(rest) > len(piece)
		case *contract.ListAddressesResponse:
			answer.Addresses = append(answer.Addresses, &contract.AddressInfo{Address: name})
			answer.More = len(rest) > len(piece)
		}
	}
	return nil
}

// All of a list is asked for, in as many pieces as it comes.
func TestListsInPieces(t *testing.T) {
	t.Parallel()
	for n := range 6 {
		want := strings.Split("abcdef", "")[:n]
		users, err := allUsers(t.Context(), pieces(want))
		if got := newUserReports(users); err != nil || len(got) != n || n > 0 && got[n-1].User != want[n-1] {
			t.Errorf("of %d users: got %v, %v", n, got, err)
		}
		addresses, err := allAddresses(t.Context(), pieces(want))
		if got := newAddressReports(addresses); err != nil || len(got) != n || n > 0 && got[n-1].Address != want[n-1] {
			t.Errorf("of %d addresses: got %v, %v", n, got, err)
		}
	}
}
