package input

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

const wrongPassword = `-ERR [AUTH] "pop3.web.de" refused login name or password: "[AUTH] Authentication failed."`

// What the provider refused is refused here, and not tried there again; what is kept stays.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	login := func(what, password, want string) {
		t.Helper()
		if got := curl(t, box, hosted.WebName, password); got != want {
			t.Fatalf("%s:\n got %s\nwant %s", what, got, want)
		}
	}

	login("before the account is known", "wrong", wrongPassword)
	if s := box.Status(); len(s.Accounts) > 0 {
		t.Fatalf("a login that was refused is kept: %v", s.Accounts)
	}
	login("the right one", hosted.Password, "+OK logged in")
	login("once the account is known", "wrong", wrongPassword)

	if err := p.Down(); err != nil {
		t.Fatal(err)
	}
	login("the same again, while the provider is away", "wrong", wrongPassword)
	login("another one, which has to be tried", "wrong too",
		fmt.Sprintf(`-ERR [SYS/TEMP] no connection to "pop3.web.de": %s: connection refused`, p.AddrTLS()))
	login("the one that is kept", hosted.Password, "+OK logged in")
}

// A provider whose password was changed refuses the kept one: the box says so until a client brings the new one.
func TestPasswordChangedAtTheProvider(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	const changed = "a new one"
	if got := curl(t, box, hosted.WebName, hosted.Password); got != "+OK logged in" {
		t.Fatalf("the first login: %s", got)
	}
	if err := p.AddUser(t.Context(), hosted.WebUser, changed); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := box.Command("account", "fetch", hosted.WebName); status != 0 {
		t.Fatalf("account fetch: %s", errs)
	}
	box.Until("the refusal", holds(contract.ConditionLoginRefused))
	const told = "the provider refuses the login that is kept, and nothing is fetched until a mail client logs in again; " +
		`it said: "pop3.web.de" refused login name or password: "[AUTH] Authentication failed."`
	if out, _, _ := box.Command("status"); !strings.Contains(out, "! login-refused "+hosted.WebName+" since ") || !strings.Contains(out, "\n  "+told+"\n") {
		t.Errorf("status doesn't say %q:\n%s", told, out)
	}
	if got := curl(t, box, hosted.WebName, hosted.Password); got != wrongPassword {
		t.Errorf("a login with the kept password: got %s, want %s", got, wrongPassword)
	}
	if got := curl(t, box, hosted.WebName, changed); got != "+OK logged in" {
		t.Errorf("a login with the new one: %s", got)
	}
	box.Until("no refusal", func(s *contract.GetStatusResponse) bool { return !holds(contract.ConditionLoginRefused)(s) })
}

// The provider is asked about five passwords an hour, not more.
func TestManyWrongPasswords(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, unlimited(hosted.Settings(p)))
	for i := range 5 {
		if got := curl(t, box, hosted.WebName, fmt.Sprint("guess ", i)); got != wrongPassword {
			t.Errorf("guess %d: got %s, want %s", i, got, wrongPassword)
		}
	}
	const want = "-ERR [SYS/TEMP] 5 logins of this account were tried at its provider within an hour: try again later"
	if got := curl(t, box, hosted.WebName, "guess 6"); got != want {
		t.Errorf("one more: got %s, want %s", got, want)
	}
}

// holds tells whether a condition holds.
func holds(name string) func(*contract.GetStatusResponse) bool {
	return func(s *contract.GetStatusResponse) bool {
		return slices.ContainsFunc(s.Conditions, func(c *contract.Condition) bool { return c.Name == name })
	}
}
