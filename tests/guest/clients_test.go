//go:build guest

package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postroom/board"
	"postroom/services/contract"
	"postroom/tests/hosted"
	"postroom/tests/mailclient"
	"postroom/tools/guest"
	"postroom/tools/provider"
)

// inGuest are the clients that poll the booted image, in this order, each with the users whose accounts it collects: the first one
// enrols both.
var inGuest = []struct {
	client string
	users  []string
}{{"poplib", []string{hosted.WebUser, hosted.GMXUser}}, {"curl", []string{hosted.WebUser}}, {"fetchmail", []string{hosted.GMXUser}}}

// littleMemory is what an appliance makes do with, a mail of 20 MiB included.
const littleMemory = 192 // MiB

// TestDeliveryIsInTheSecondPoll boots once. Each client polls its accounts; then the box goes off and on again.
func TestDeliveryIsInTheSecondPoll(t *testing.T) {
	p := hosted.Provider(t)
	b := newBox(t, qemuImage, p)
	b.config.MemoryMiB = littleMemory
	b.up()
	for _, want := range []string{"POP3 accepts", "data partition has grown", "from PID 1 to POP3 accepting"} {
		t.Log(b.wait(want))
	}
	for i, one := range inGuest {
		t.Run(one.client, func(t *testing.T) { twoPolls(t, b, p, one.client, one.users, i == 0) })
	}
	sends(t, b)
	b.down()
	if log := b.Output(); !strings.Contains(log, "services are stopped") {
		t.Errorf("the box did not go off in order:\n%s", log)
	}
	b.up()
	if log := b.Output(); strings.Contains(log, "is checked") || strings.Contains(log, "has grown") {
		t.Errorf("after an orderly end the data partition is checked or grown again:\n%s", log)
	}
	for _, name := range accounts {
		if mails, err := hosted.PollAt(b.pop3, b.ca, name, hosted.Password); err != nil || len(mails) != 0 {
			t.Errorf("%s after the restart: %d mails, %v", name, len(mails), err)
		}
	}
	t.Log(b.until("readiness", isReady))
	showsConditions(t, b)
	b.down()
}

// sends has swaks send a mail from one account to the other, and to a host that the box can't reach.
func sends(t *testing.T, b *box) {
	t.Helper()
	ca := filepath.Join(mailclient.Folder(t), "box.pem")
	if err := os.WriteFile(ca, b.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "swaks", "--server", "localhost", "--port", strconv.Itoa(int(b.smtp.Port())),
		"--tls-on-connect", "--tls-verify", "--tls-ca-path", ca,
		"--auth", "PLAIN", "--auth-user", hosted.WebName, "--auth-password", hosted.Password,
		"--from", "myaccount@pop3proxy.reddoxx", "--to", "myaccount+gmx.de@pop3proxy.reddoxx,someone@example.com",
		"--h-Subject", "through the appliance").CombinedOutput()
	if err != nil {
		t.Fatalf("swaks: %v\n%s", err, out)
	}
	b.until("the mail in the other account's Out Queue", hosted.Waiting(hosted.GMXName, 1))
	mails, err := hosted.PollAt(b.pop3, b.ca, hosted.GMXName, hosted.Password)
	if err != nil || len(mails) != 1 || !strings.Contains(string(mails[0].Octets), "\r\nSubject: through the appliance\r\n") {
		t.Errorf("the other account got %d mails, %v: %q", len(mails), err, mails)
	}
	b.until("the other recipient in the Transport Queue", func(s *contract.GetStatusResponse) bool {
		return slices.ContainsFunc(s.Queues, func(q *contract.QueueStatus) bool {
			return q.Queue == contract.QueueTransport && q.Messages == 1
		})
	})
}

// showsConditions has the box mistrust the provider's certificate: its screen says so by itself.
func showsConditions(t *testing.T, b *box) {
	own, _, _ := strings.Cut(string(b.config.Files[board.SettingsFile]), "[[provider]]")
	without := own + "[[provider]]\nhost = 'pop3.web.de'\naddress = '10.0.2.100:995'\nmin_interval = '0s'\n"
	var applied contract.ApplySettingsResponse
	err := b.console.Call(t.Context(), "ApplySettings", &contract.ApplySettingsRequest{File: "without a CA", Text: []byte(without)}, &applied)
	if err != nil || applied.Problem != "" {
		t.Fatal(err, applied.Problem)
	}
	if err := b.console.Call(t.Context(), "FetchAccount", &contract.AccountRequest{Name: hosted.WebName}, &contract.AccountResponse{}); err != nil {
		t.Fatal(err)
	}
	t.Log(b.wait("! " + contract.ConditionProvider + " " + hosted.WebName + ": "))
}

// twoPolls fills the users' mailboxes and polls each account twice; isNew: for the first time.
func twoPolls(t *testing.T, b *box, p *provider.Provider, name string, users []string, isNew bool) {
	i := slices.IndexFunc(mailclient.All, func(c mailclient.Client) bool { return c.Name == name })
	client := mailclient.All[i]
	var samples [][]byte
	for _, s := range provider.Samples() {
		samples = append(samples, s.Message)
	}
	dir := mailclient.Folder(t)
	ca := filepath.Join(dir, "box.pem")
	if err := os.WriteFile(ca, b.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, user := range users {
		name := accounts[user]
		if err := p.Fill(user, samples); err != nil {
			t.Fatal(err)
		}
		poll := mailclient.Poll{Addr: b.pop3, CA: ca, Name: name, Dir: dir}
		// The fetch that the poll before asked for may have found the first of them already: not so for a new account.
		first := client.Run(t, poll)
		if isNew && len(first) != 0 {
			t.Errorf("%s: the first poll got %d mails", name, len(first))
		}
		b.until("validated mail", hosted.Waiting(name, uint64(len(samples)-len(first))))
		got := append(first, client.Run(t, poll)...)
		if missing, extra := client.Compare(samples, got); missing != 0 || extra != 0 {
			t.Errorf("%s: both polls got %d mails; %d are missing, %d are others", name, len(got), missing, extra)
		}
		if left, err := p.Count(user); err != nil || left != 0 {
			t.Errorf("%s: the provider still holds %d mails, %v", name, left, err)
		}
	}
}

// TestBoardPC boots the other board on hardware that qemu's kernel knows nothing of.
func TestBoardPC(t *testing.T) {
	p := hosted.Provider(t)
	b := newBox(t, pcImage, p)
	b.config.Hardware = guest.PC
	b.up()
	t.Log(b.wait("from PID 1 to POP3 accepting"))
	twoPolls(t, b, p, "curl", []string{hosted.WebUser, hosted.GMXUser}, true)
	b.down()
}
