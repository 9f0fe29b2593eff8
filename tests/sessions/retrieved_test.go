package sessions

import (
	"slices"
	"strings"
	"testing"

	"postroom/tests/hosted"
	"postroom/tests/mailclient"
)

var mails = [][]byte{
	[]byte("Subject: one\r\n\r\nfirst\r\n"),
	[]byte("Subject: two\r\n\r\nsecond\r\n"),
	[]byte("Subject: three\r\n\r\nthird\r\n"),
}

// Two clients that leave mail on the server collect one account, and each gets all of it; a third one that deletes what it
// gets takes it from both.
func TestClientsOnOneAccount(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	if _, err := box.Poll(hosted.WebName, hosted.Password); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := box.Command("account", "set", hosted.WebName, "retrieved=until-dele"); status != 0 {
		t.Fatal(out, errs)
	}
	ca := box.CA()
	poll := func(name string, want [][]byte) {
		t.Helper()
		i := slices.IndexFunc(mailclient.All, func(c mailclient.Client) bool { return c.Name == name })
		c := mailclient.All[i]
		got := c.Run(t, mailclient.Poll{Addr: box.Addr("pop3.listen_tls"), CA: ca, Name: hosted.WebName, Dir: mailclient.Folder(t)})
		if missing, extra := c.Compare(want, got); missing != 0 || extra != 0 {
			t.Errorf("%s got %d mails; %d are missing, %d are others", name, len(got), missing, extra)
		}
	}
	for n := 1; n <= len(mails); n++ {
		if err := p.Fill(hosted.WebUser, mails[n-1:n]); err != nil {
			t.Fatal(err)
		}
		if _, errs, status := box.Command("account", "fetch", hosted.WebName); status != 0 {
			t.Fatal(errs)
		}
		box.Until("fetched mail", hosted.Waiting(hosted.WebName, uint64(n)))
		poll("poplib", mails[:n]) // deletes nothing
		poll("curl", mails[:n])   // deletes nothing
	}
	poll("fetchmail", mails) // deletes what it gets
	poll("poplib", nil)
}

// Mail that clients retrieved can be brought back, and comes as new.
func TestRestoredMailComesAgain(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	if err := p.Fill(hosted.WebUser, mails); err != nil {
		t.Fatal(err)
	}
	poll := func() []hosted.Mail {
		t.Helper()
		got, err := box.Poll(hosted.WebName, hosted.Password)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	poll()
	box.Until("fetched mail", hosted.Waiting(hosted.WebName, 3))
	first := poll()
	if again := poll(); len(first) != 3 || len(again) != 0 {
		t.Fatalf("polls got %d mails, and then %d", len(first), len(again))
	}
	out, errs, status := box.Command("account", "restore", hosted.WebName, "--since", "1h")
	if status != 0 || out != hosted.WebName+": 3 mails restored\n" {
		t.Fatalf("account restore: %q, %s", out, errs)
	}
	second := poll()
	if len(second) != 3 {
		t.Fatalf("the poll got %d mails", len(second))
	}
	for i := range second {
		if string(second[i].Octets) != string(first[i].Octets) || second[i].UIDL == first[i].UIDL {
			t.Errorf("mail %d came as %s, %q, and again as %s, %q", i, first[i].UIDL, first[i].Octets, second[i].UIDL, second[i].Octets)
		}
	}
	if out, _, _ := box.Command("account", "restore", hosted.WebName); !strings.HasSuffix(out, ": 3 mails restored\n") {
		t.Errorf("account restore, once more: %q", out)
	}
}
