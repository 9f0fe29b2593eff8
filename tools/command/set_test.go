package command

import (
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
)

func TestAccountSet(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const name = "anna@pop3.example.org"
	account := b.enrol(t, name)
	show := func(want string) {
		t.Helper()
		if out := b.on(t, "account", "show", name); !strings.Contains(out, "\nRetrieved:     "+want+"\n") {
			t.Errorf("account show doesn't say %q:\n%s", want, out)
		}
	}
	show("expire")
	if out := b.on(t, "account", "set", name, "retrieved=until-dele"); out != name+": retrieved=until-dele\n" {
		t.Errorf("account set: %q", out)
	}
	show("until-dele (this account's own)")
	b.on(t, "account", "set", name, "retrieved=720h")
	show("720h (this account's own)")
	if r := call(t, b.pop3, contract.Pop3Client.OpenMailbox, &contract.OpenMailboxRequest{Account: account}); time.Duration(r.Retrieved) != 720*time.Hour {
		t.Errorf("a session gets %v", time.Duration(r.Retrieved))
	}
	b.on(t, "account", "set", name, "retrieved=default")
	show("expire")

	for _, tt := range []struct {
		name, value string
		status      int
		want        string
	}{
		{name, "retrieved=30d", 1, `retrieved: "30d" is not a duration; write days in hours: "720h"`},
		{name, "retrieved=now", 1, `retrieved: "now" is not one of expire, until-dele`},
		{name, "retrieved", 2, `"retrieved" is no SETTING=VALUE`},
		{name, "hold=20s", 2, `"hold=20s" is no SETTING=VALUE`},
		{"nobody@pop3.example.org", "retrieved=expire", 1, `no account "nobody@pop3.example.org"`},
	} {
		r := postroom(t, b.data, "account", "set", tt.name, tt.value)
		if r.status != tt.status || !strings.Contains(r.err, tt.want) {
			t.Errorf("account set %s %s: exit status %d, %q; want %d, %q", tt.name, tt.value, r.status, r.err, tt.status, tt.want)
		}
	}
	show("expire")
}

func TestAccountRestore(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const name = "anna@pop3.example.org"
	account := b.enrol(t, name)
	call(t, b.init, contract.InitService.ReportClock, &contract.ReportClockRequest{Good: true}) // else nobody knows when mail left
	uidls := func() (list []string) {
		for _, m := range call(t, b.pop3, contract.Pop3Client.OpenMailbox, &contract.OpenMailboxRequest{Account: account}).Messages {
			list = append(list, m.Uidl)
		}
		return list
	}
	b.put(t, account, []byte("Subject: one\r\n\r\n"))
	b.put(t, account, []byte("Subject: two\r\n\r\n"))
	b.validate(t)
	before := uidls()
	b.poll(t, account)
	if out := b.on(t, "account", "restore", name, "--since", clock.Add(time.Second).Format(time.RFC3339)); out != name+": 0 mails restored\n" {
		t.Errorf("of later: %q", out)
	}
	if out := b.on(t, "account", "restore", name, "--since", clock.Format(time.RFC3339)); out != name+": 2 mails restored\n" {
		t.Errorf("of now: %q", out)
	}
	after := uidls()
	if len(after) != 2 || after[0] == before[0] || after[1] == before[1] {
		t.Errorf("UIDLs before %q, after %q", before, after)
	}
	b.poll(t, account)
	if out := b.on(t, "account", "restore", name); out != name+": 2 mails restored\n" {
		t.Errorf("of all: %q", out)
	}
	if r := postroom(t, b.data, "account", "restore", name, "--since", "yesterday"); r.status != 2 || !strings.Contains(r.err, `--since: "yesterday" is no time: write a date`) {
		t.Errorf("exit status %d, %q", r.status, r.err)
	}
	if r := postroom(t, b.data, "account", "restore", "nobody@pop3.example.org"); r.status != 1 || r.out != "" {
		t.Errorf("of nobody: exit status %d, %q", r.status, r.out)
	}
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("here", 3600)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"36h":                  now.Add(-36 * time.Hour),
		"2026-11-20":           time.Date(2026, 11, 20, 0, 0, 0, 0, zone),
		"2026-11-20 14:30":     time.Date(2026, 11, 20, 14, 30, 0, 0, zone),
		"2026-11-20 14:30:05":  time.Date(2026, 11, 20, 14, 30, 5, 0, zone),
		"2026-11-20T14:30:05Z": time.Date(2026, 11, 20, 14, 30, 5, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1h", "23.11.2026", "2026-13-01", "7d"} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
