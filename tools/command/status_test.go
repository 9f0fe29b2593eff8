package command

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"

	"google.golang.org/protobuf/types/known/timestamppb"
)

func at(minutes int) *timestamppb.Timestamp {
	return timestamppb.New(clock.Add(time.Duration(minutes) * time.Minute))
}

// fullStatus has one of everything.
func fullStatus() *contract.GetStatusResponse {
	return &contract.GetStatusResponse{
		Ready: true, Version: "1.2.3",
		Services: []*contract.ServiceStatus{
			{Name: "store", State: "running", Memory: 25 << 20},
			{Name: "pop3", State: "starting", Restarts: 12, Memory: 900},
		},
		Accounts: []*contract.AccountStatus{
			{
				Account: "myaccount@gmx.de@pop3.gmx.de", User: "myaccount+gmx.de", State: "refused", LastFetch: at(-2),
				ProviderText: "-ERR [AUTH] \x1b[31mwrong password\x1b[0m, see https://example.org/help\r\n", Waiting: 3,
			},
			{Account: "anna@pop3.example.org", User: "anna", State: "active", LastFetch: at(-1), NextFetch: at(4)},
			{Account: "ben@pop3.example.org", User: "ben", State: "paused"},
		},
		Queues: []*contract.QueueStatus{
			{Queue: "held"}, {Queue: "in"}, {Queue: "out", Messages: 3, Octets: 20 << 20}, {Queue: "retrieved", Messages: 1200, Octets: 5000},
		},
		Conditions: []*contract.Condition{
			{Name: "login-refused", Subject: "myaccount@gmx.de@pop3.gmx.de", Since: at(-2), Text: "the provider refuses the login:\nwrong <password>"},
			{Name: "disk-full", Since: at(-60), Text: "less than 16 MiB are free"},
		},
	}
}

func TestStatusForms(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := printStatus(&out, fullStatus(), time.UTC); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", out.String())
	out.Reset()
	if err := printJSON(&out, newStatusReport(fullStatus())); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", out.String())
}

func TestStatusOfAFreshBox(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	golden(t, "fresh.txt", b.on(t, "status"))
	golden(t, "fresh.json", b.on(t, "status", "--json"))
}

func TestStatusOfABox(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	id := b.enrol(t, "myaccount@gmx.de@pop3.gmx.de")
	b.put(t, id, []byte("Subject: x\r\n\r\ntext\r\n"))
	b.validate(t)
	b.put(t, id, []byte("Subject: y\r\n\r\ntext\r\n"))
	call(t, b.init, contract.InitService.ReportServices, &contract.ReportServicesRequest{
		Ready: true, Services: []*contract.ServiceStatus{{Name: "store", State: "running", Memory: 1 << 20}},
	})
	golden(t, "box.json", b.on(t, "status", "--json"))
	golden(t, "accounts.json", b.on(t, "account", "list", "--json"))
	if text := b.on(t, "status"); !strings.Contains(text, "Postroom 1.2.3: ready\n") || !strings.Contains(text, "myaccount@gmx.de@pop3.gmx.de  myaccount+gmx.de") {
		t.Errorf("got %s", text)
	}
	if !strings.HasPrefix(b.on(t, "account", "list"), "ACCOUNT ") {
		t.Error("account list has no heading")
	}
}

func TestAccountForms(t *testing.T) {
	t.Parallel()
	account := &contract.ShowAccountResponse{
		Status: fullStatus().Accounts[0], Id: "00112233445566778899aabbccddeeff", Created: at(-1000), LastPoll: at(-3),
		Addresses: []string{"myaccount+gmx.de@pop3proxy.reddoxx"}, Licensed: true, Retrieved: "720h", OwnRetrieved: true, Queues: fullStatus().Queues,
		Ledger: []*contract.LedgerCount{
			{State: contract.LedgerState_HELD}, {State: contract.LedgerState_STORED, Rows: 2},
			{State: contract.LedgerState_DELE_SENT}, {State: contract.LedgerState_DELE_ACKED, Rows: 1201},
			{State: contract.LedgerState_LEFT, Rows: 3},
		},
	}
	var out bytes.Buffer
	if err := printAccount(&out, account, time.UTC); err != nil {
		t.Fatal(err)
	}
	golden(t, "account.txt", out.String())
	out.Reset()
	if err := printJSON(&out, newAccountDetails(account)); err != nil {
		t.Fatal(err)
	}
	golden(t, "account.json", out.String())
}

func TestAccountCommands(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const name = "Anna@pop3.example.org"
	id := b.enrol(t, name)
	state := func() string {
		t.Helper()
		var details accountDetails
		if err := json.Unmarshal([]byte(b.on(t, "account", "show", name, "--json")), &details); err != nil {
			t.Fatal(err)
		}
		return details.State
	}
	if got := b.on(t, "account", "pause", name); got != name+": paused\n" || state() != "paused" {
		t.Errorf("got %q, and the account is %s", got, state())
	}
	if r := postroom(t, b.data, "account", "fetch", name); r.status != 1 || !strings.Contains(r.err, "postroom account resume") {
		t.Errorf("fetch for a paused account: %+v", r)
	}
	if got := b.on(t, "account", "resume", name); got != name+": resumed\n" || state() != "active" {
		t.Errorf("got %q, and the account is %s", got, state())
	}
	if got := b.on(t, "account", "fetch", name); got != name+": fetch asked for\n" {
		t.Errorf("got %q", got)
	}
	if text := b.on(t, "account", "show", name); !strings.Contains(text, "\nState:         active\n") {
		t.Errorf("got %s", text)
	}

	if got := b.on(t, "account", "accept", name); got != name+": incomplete mails accepted\n" {
		t.Errorf("got %q", got)
	}
	b.put(t, id, []byte("Subject: x\r\n\r\n"))
	if r := postroom(t, b.data, "account", "remove", name); r.status != 1 || !strings.Contains(r.err, "--with-mail") {
		t.Errorf("remove with mail held: %+v", r)
	}
	if got := b.on(t, "account", "remove", name, "--with-mail"); got != name+": removed\n" {
		t.Errorf("got %q", got)
	}
	for _, command := range []string{"show", "pause", "resume", "fetch", "accept", "remove", "export"} {
		if r := postroom(t, b.data, "account", command, name); r.status != 1 || !strings.Contains(r.err, `no account "Anna@pop3.example.org"`) {
			t.Errorf("%s of an account that is gone: %+v", command, r)
		}
	}
}
