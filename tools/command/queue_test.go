package command

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"postroom/services/contract"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// submit puts a mail into the box's Transport Queue.
func (b *testBox) submit(t *testing.T, key byte, to ...string) string {
	t.Helper()
	m := &contract.SubmitMail{
		Key: []byte(strings.Repeat(string(rune('a'+key)), 16)), Sender: "anna@example.org", Client: "127.0.0.1",
		Body: []byte("Subject: \x1b[31mred\r\nTo: you\r\n\r\nHello\r\n"),
	}
	for _, address := range to {
		m.Recipients = append(m.Recipients, &contract.SubmitRecipient{Address: address})
	}
	answer := call(t, b.smtp, contract.SmtpClient.SubmitAll, &contract.SubmitAllRequest{Mails: []*contract.SubmitMail{m}})
	id, err := answer.Answers[0].Take()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(id)
}

func TestQueue(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if out := b.on(t, "queue", "list"); out != "The queue is empty: no mail waits to be sent.\n" {
		t.Errorf("an empty queue: %q", out)
	}
	one, two := b.submit(t, 1, "you@example.net", "she@example.net"), b.submit(t, 2, "you@example.net")
	lines := strings.Split(strings.TrimSpace(b.on(t, "queue", "list")), "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], one) || !strings.Contains(lines[1], "anna@example.org  you@example.net  waiting") ||
		!strings.HasPrefix(lines[2], "      ") || !strings.Contains(lines[2], "she@example.net") || !strings.HasSuffix(lines[3], "not tried yet") {
		t.Errorf("queue list:\n%s", strings.Join(lines, "\n"))
	}
	show := b.on(t, "queue", "show", one)
	for _, want := range []string{"Sender:        anna@example.org\n", "\nyou@example.net: waiting\n  Reason:      not tried yet\n", "\nSubject: \\x1b[31mred\nTo: you\n"} {
		if !strings.Contains(show, want) {
			t.Errorf("queue show doesn't say %q:\n%s", want, show)
		}
	}
	if strings.Contains(show, "Hello") || strings.Contains(show, "\x1b") {
		t.Errorf("queue show shows more than the header, or what a terminal obeys:\n%q", show)
	}
	var report queuedReport
	state := func(id string, i int) string {
		t.Helper()
		if err := json.Unmarshal([]byte(b.on(t, "queue", "show", id, "--json")), &report); err != nil {
			t.Fatal(err)
		}
		return report.Recipients[i].State + ": " + report.Recipients[i].Reason
	}
	for _, step := range []struct {
		args []string
		out  string
		want string // of the first mail's second recipient
	}{
		{[]string{"hold", one, "--recipient", "SHE@example.net"}, "1 recipient: on hold\n", "on-hold: held by the owner"},
		{[]string{"hold", one, "--recipient", "she@example.net"}, "0 recipients: on hold\n", "on-hold: held by the owner"},
		{[]string{"release", one}, "1 recipient: released\n", "waiting: not tried yet"},
		{[]string{"retry", one}, "0 recipients: to be tried now\n", "waiting: not tried yet"},
		{[]string{"retry", "--all"}, "0 recipients: to be tried now\n", "waiting: not tried yet"},
		{[]string{"drop", one, "--recipient", "she@example.net", "--yes"}, "1 recipient: dropped\n", "dropped: dropped by the owner; its sender is about to be told"},
		{[]string{"drop", one, "--recipient", "she@example.net", "--yes", "--silent"}, "1 recipient: dropped\n", "failed: dropped by the owner"},
	} {
		if out := b.on(t, append([]string{"queue"}, step.args...)...); out != step.out {
			t.Errorf("queue %v: %q, want %q", step.args, out, step.out)
		}
		if got := state(one, 1); got != step.want {
			t.Errorf("after queue %v: %q, want %q", step.args, got, step.want)
		}
	}
	for _, bad := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"drop", two}, 2, "--yes says that it's meant"},
		{[]string{"drop", two, "--yes", "--recipient", "he@example.net"}, 1, `has no recipient "he@example.net"`},
		{[]string{"show", "x"}, 2, `"x" is no mail's number`},
		{[]string{"show", "77"}, 1, "no mail 77 in the queue"},
		{[]string{"retry"}, 2, "name one MAIL, or give --all"},
		{[]string{"retry", two, "--all"}, 2, "name one MAIL, or give --all"},
		{[]string{"retry", "--all", "--recipient", "you@example.net"}, 2, "--recipient is of one MAIL"},
	} {
		r := postroom(t, b.data, append([]string{"queue"}, bad.args...)...)
		if r.status != bad.status || !strings.Contains(r.err, bad.want) {
			t.Errorf("queue %v: exit status %d, %q; want %d, %q", bad.args, r.status, r.err, bad.status, bad.want)
		}
	}
	b.on(t, "queue", "drop", two, "--silent", "--yes")
	var list struct{ Mails []queuedReport }
	if err := json.Unmarshal([]byte(b.on(t, "queue", "list", "--json")), &list); err != nil || len(list.Mails) != 1 || fmt.Sprint(list.Mails[0].ID) != one {
		t.Errorf("queue list --json: %v, %v", list, err)
	}
}

func TestCounters(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if out := b.on(t, "queue", "counters"); out != "No mail was sent yet.\n" {
		t.Errorf("at first: %q", out)
	}
	b.submit(t, 1, "you@example.net")
	id := call(t, b.admin, contract.AdminService.ListQueue, &contract.ListQueueRequest{}).Mails[0].Id
	call(t, b.smtp, contract.SmtpClient.EndDelivery, &contract.EndDeliveryRequest{Runner: 1, Id: id, Results: []*contract.RecipientResult{{
		State: contract.RecipientState_DELIVERED, Rule: "to the relay", Destination: "relay.example.net", NextTry: timestamppb.Now(),
	}}})
	if out := b.on(t, "queue", "counters"); !strings.Contains(out, "to the relay  relay.example.net          1       0        0") {
		t.Errorf("counters:\n%s", out)
	}
	if out := b.on(t, "queue", "counters", "--json"); !strings.Contains(out, `"delivered": 1`) {
		t.Errorf("counters: %s", out)
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " y ": true, "n\n": false, "\n": false, "": false, "yess\n": false} {
		cmd := newQueueDrop()
		var asked strings.Builder
		cmd.SetErr(&asked)
		if err := askYes(cmd, strings.NewReader(answer), "Drop?"); (err == nil) != want || asked.String() != "Drop? [y/N] " {
			t.Errorf("%q: %v, asked %q", answer, err, asked.String())
		}
	}
}

func TestKeptLogins(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if out := b.on(t, "login", "list"); out != "No logins are kept.\n" {
		t.Errorf("at first: %q", out)
	}
	const password = "a secret with  spaces "
	set := func(name, input string) result { return postroomWith(t, b.data, input, "login", "set", name) }
	if r := set("relay", "anna@example.org\r\n"+password+"\n"); r.status != 0 || r.out != "relay: kept\n" {
		t.Errorf("login set: %v", r)
	}
	got := call(t, b.smtp, contract.SmtpClient.GetLogin, &contract.GetLoginRequest{Name: "relay"})
	if got.User != "anna@example.org" || got.Password != password {
		t.Errorf("a relay gets %q, %q", got.User, got.Password)
	}
	if out := b.on(t, "login", "list") + b.on(t, "login", "list", "--json"); !strings.Contains(out, "relay  anna@example.org  kept") || strings.Contains(out, "secret") {
		t.Errorf("login list: %s", out)
	}
	for _, bad := range []struct {
		name, input string
		status      int
		want        string
	}{
		{"relay", "anna\n", 2, "two lines: the user, then the password"},
		{"relay", "\nx\n", 2, "two lines: the user, then the password"},
		{"relay", "anna\nx\nmore\n", 2, "two lines: the user, then the password"},
		{"account", "anna\nx\n", 1, `a login can't be named "account"`},
		{" x", "anna\nx\n", 1, `" x" is no name for a login`},
	} {
		if r := set(bad.name, bad.input); r.status != bad.status || !strings.Contains(r.err, bad.want) || strings.Contains(r.err, "anna") {
			t.Errorf("login set %q with %q: %v, want %d, %q", bad.name, bad.input, r, bad.status, bad.want)
		}
	}
	b.on(t, "login", "remove", "relay")
	if r := postroom(t, b.data, "login", "remove", "relay"); r.status != 1 || !strings.Contains(r.err, `no login "relay"`) {
		t.Errorf("removed twice: %v", r)
	}
}
