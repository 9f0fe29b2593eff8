// Package users has users, addresses and licences change in a running box, by the commands that its owner types.
package users

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"postroom/tests/hosted"
)

// owner types commands.
type owner struct {
	t   *testing.T
	box *hosted.Box
}

// says wants a command's answer.
func (o owner) says(want, input string, args ...string) {
	o.t.Helper()
	if out, errs, status := o.box.CommandWith(input, args...); out != want+"\n" || status != 0 {
		o.t.Errorf("postroom %q: exit status %d, %s%s, want %s", args, status, out, errs, want)
	}
}

// refuses wants a command to fail, with words in its one line.
func (o owner) refuses(want, input string, args ...string) {
	o.t.Helper()
	out, errs, status := o.box.CommandWith(input, args...)
	if status != 1 || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
		o.t.Errorf("postroom %q: exit status %d, %s%s, want %q", args, status, out, errs, want)
	}
}

// reads takes a command's JSON.
func (o owner) reads(into any, args ...string) {
	o.t.Helper()
	out, errs, status := o.box.Command(append(args, "--json")...)
	if status != 0 {
		o.t.Fatalf("postroom %q: exit status %d, %s", args, status, errs)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		o.t.Fatalf("postroom %q: %v in %s", args, err, out)
	}
}

// licences says who has which.
func (o owner) licences(want ...string) {
	o.t.Helper()
	var list struct {
		Licences, Assigned, Waiting, Withdrawn int
		Users                                  []struct{ User, Licence string }
	}
	o.reads(&list, "licence", "list")
	var got []string
	for _, u := range list.Users {
		got = append(got, u.User+" "+u.Licence)
	}
	if !slices.Equal(got, want) {
		o.t.Errorf("licences: got %q, want %q", got, want)
	}
	if list.Assigned+list.Waiting+list.Withdrawn != len(want) {
		o.t.Errorf("licences: %+v", list)
	}
}

// user is a user as scripts see it.
type user struct {
	User      string
	Accounts  []string
	Addresses []string
	Licence   string
	Local     bool
}

func (o owner) user(name string) (u user) {
	o.t.Helper()
	o.reads(&u, "user", "show", name)
	return u
}

// Two accounts log in, and the owner sorts out whose they are. It's all there after a restart and after a crash, store check finds
// nothing, and mail goes on.
func TestUsers(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	with := func(licences string) string { return hosted.Settings(p) + "\n[users]\nlicences = " + licences + "\n" }
	box := hosted.Start(t, with("1"))
	o := owner{t, box}
	poll := func(name string) {
		t.Helper()
		if _, err := box.Poll(name, hosted.Password); err != nil {
			t.Fatalf("poll %s: %v", name, err)
		}
	}
	poll(hosted.WebName)
	poll(hosted.GMXName)
	o.licences("myaccount assigned", "myaccount+gmx.de waiting")
	if u := o.user("MyAccount+gmx.de"); u.User != "myaccount+gmx.de" || !slices.Equal(u.Accounts, []string{hosted.GMXName}) ||
		!slices.Equal(u.Addresses, []string{"myaccount+gmx.de@pop3proxy.reddoxx"}) {
		t.Errorf("got %+v", u)
	}

	o.says("anna: added", "first password\n", "user", "add", "anna")
	o.refuses(`there is a user "anna" already`, "another password\n", "user", "add", "Anna")
	o.says("anna: password set", "another password", "user", "password", "anna")
	o.refuses("change that at the provider", "password", "user", "password", "myaccount")
	o.refuses(`is the login of account myaccount@gmx.de@pop3.gmx.de, which is of user "myaccount+gmx.de"`, "", "address", "assign", "MyAccount@GMX.de", "anna")
	o.says("myaccount@gmx.de: is of user myaccount+gmx.de", "", "address", "assign", "myaccount@gmx.de", "myaccount+gmx.de")
	o.refuses(`myaccount@gmx.de is an address of user "myaccount+gmx.de"`, "", "address", "assign", "myaccount@gmx.de", "anna")
	o.refuses("goes with the user", "", "address", "remove", "myaccount+gmx.de@pop3proxy.reddoxx")

	// Settings that give more licences hold at once, and those that give fewer take none.
	box.Settings(with("2"))
	o.says(box.File()+" is in force", "", "settings", "apply", box.File())
	o.licences("myaccount assigned", "myaccount+gmx.de assigned", "anna waiting")
	box.Settings(with("1"))
	o.says(box.File()+" is in force", "", "settings", "apply", box.File())
	o.licences("myaccount assigned", "myaccount+gmx.de assigned", "anna waiting")
	if out, _, _ := box.Command("status"); !strings.Contains(out, "! licences since ") {
		t.Errorf("status doesn't tell of too many licences: %s", out)
	}
	o.says("myaccount: licence withdrawn", "", "licence", "withdraw", "myaccount")
	o.says("myaccount+gmx.de: licence withdrawn", "", "licence", "withdraw", "myaccount+gmx.de")
	o.licences("anna assigned", "myaccount withdrawn", "myaccount+gmx.de withdrawn")
	o.refuses("no licence is free", "", "licence", "assign", "myaccount")

	box.Kill()
	box.Up()
	o.says(hosted.GMXName+": is of user anna", "", "user", "move", hosted.GMXName, "anna")
	o.refuses(`no user "myaccount+gmx.de"`, "", "user", "show", "myaccount+gmx.de")
	o.refuses("`postroom account remove` removes an account", "", "user", "remove", "anna")
	box.Down()
	box.Up()
	want := user{"anna", []string{hosted.GMXName}, []string{"anna@pop3proxy.reddoxx", "myaccount+gmx.de@pop3proxy.reddoxx", "myaccount@gmx.de"}, "assigned", true}
	if u := o.user("anna"); u.User != want.User || !slices.Equal(u.Accounts, want.Accounts) || !slices.Equal(u.Addresses, want.Addresses) || u.Licence != want.Licence || !u.Local {
		t.Errorf("got %+v, want %+v", u, want)
	}
	var shown struct {
		User      string
		Addresses []string
		Licensed  bool
	}
	o.reads(&shown, "account", "show", hosted.GMXName)
	if shown.User != "anna" || !slices.Equal(shown.Addresses, want.Addresses) || !shown.Licensed {
		t.Errorf("account show: %+v", shown)
	}

	// Whose an account is makes no difference to its mail.
	if err := p.Fill(hosted.GMXUser, [][]byte{[]byte("Subject: mine\r\n\r\nhello\r\n")}); err != nil {
		t.Fatal(err)
	}
	o.says(hosted.GMXName+": fetch asked for", "", "account", "fetch", hosted.GMXName)
	box.Until("mail", hosted.Waiting(hosted.GMXName, 1))
	if out, errs, status := box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}
