package submission

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"

	"github.com/emersion/go-smtp"
)

// relay is a host that mail is handed to. It refuses every recipient whose name begins with "no".
type relay struct {
	mu    sync.Mutex
	mails map[string]int // how often each came, by its octets behind the box's own lines
	all   chan struct{}  // a word for each mail
}

type conversation struct {
	relay *relay
	to    []string
}

func startRelay(t *testing.T) (*relay, string) {
	t.Helper()
	r := &relay{mails: make(map[string]int), all: make(chan struct{}, 10_000)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &conversation{relay: r}, nil }))
	server.Domain = "relay.example"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(l) }) // it ends by Close
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return r, fmt.Sprintf("\n[[transport_rule]]\nname = \"relay\"\nrelay = %q\ntls = \"none\"\n", l.Addr())
}

func (c *conversation) Mail(string, *smtp.MailOptions) error { return nil }
func (c *conversation) Reset()                               { c.to = nil }
func (c *conversation) Logout() error                        { return nil }

func (c *conversation) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "no") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "there is nobody of that name"}
	}
	c.to = append(c.to, to)
	return nil
}

func (c *conversation) Data(r io.Reader) error {
	octets, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.relay.mu.Lock()
	defer c.relay.mu.Unlock()
	c.relay.mails[behindReceived(octets)]++
	c.relay.all <- struct{}{}
	return nil
}

// behindReceived is a mail without the line that the box puts on top.
func behindReceived(octets []byte) string {
	rest := octets
	for len(rest) > 0 {
		line, behind, _ := bytes.Cut(rest, []byte("\r\n"))
		if !bytes.HasPrefix(line, []byte("Received:")) && !bytes.HasPrefix(line, []byte("\t")) {
			break
		}
		rest = behind
	}
	return string(rest)
}

// send hands a mail to a box without a login.
func send(box *hosted.Box, from, to, mail string) (err error) {
	c, err := smtp.Dial(box.Addr("smtp.listen").String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreClosed(c.Close())) }()
	if err := c.SendMail(from, []string{to}, strings.NewReader(mail)); err != nil {
		return err
	}
	return c.Quit()
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func mailOf(from, to, subject string) string {
	return "From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject +
		"\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + subject + "@client.example>\r\n\r\n.\r\n..\r\nthe text of " + subject + "\r\n"
}

// userAddress gives the first address of an account's user.
func userAddress(t *testing.T, box *hosted.Box, account string) string {
	t.Helper()
	answer, err := contract.Call(t.Context(), box.Admin, contract.AdminService.ShowAccount, &contract.ShowAccountRequest{Name: account})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Addresses[0]
}

func empty(s *contract.GetStatusResponse) bool {
	for _, q := range s.Queues {
		if q.Queue == contract.QueueTransport && q.Messages > 0 {
			return false
		}
	}
	return true
}

// TestDelivery sends mail to a user of the box, to another host, and to nobody; the last one's sender is told in their own Out Queue.
func TestDelivery(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	r, rule := startRelay(t)
	box := hosted.Start(t, hosted.Settings(p)+trusted+rule)
	for _, account := range []string{hosted.WebName, hosted.GMXName} {
		if _, err := box.Poll(account, hosted.Password); err != nil {
			t.Fatal(err)
		}
	}
	web, gmx := userAddress(t, box, hosted.WebName), userAddress(t, box, hosted.GMXName)
	inside, outside, refused := mailOf(gmx, web, "inside"), mailOf(gmx, "friend@example.com", "outside"), mailOf(gmx, "nobody@example.com", "refused")
	for to, mail := range map[string]string{web: inside, "friend@example.com": outside, "nobody@example.com": refused} {
		if err := send(box, gmx, to, mail); err != nil {
			t.Fatalf("send to %s: %v", to, err)
		}
	}
	box.Until("mail to be delivered, and its sender to be told", func(s *contract.GetStatusResponse) bool {
		return empty(s) && hosted.Waiting(hosted.WebName, 1)(s) && hosted.Waiting(hosted.GMXName, 1)(s)
	})
	r.mu.Lock()
	if len(r.mails) != 1 || r.mails[outside] != 1 {
		t.Errorf("the relay has %v, want %q", r.mails, outside)
	}
	r.mu.Unlock()
	mails, err := box.Poll(hosted.WebName, hosted.Password)
	if err != nil || len(mails) != 1 {
		t.Fatalf("%d mails, %v; want the one from inside", len(mails), err)
	}
	if got := behindReceived(bytes.TrimPrefix(mails[0].Octets, hosted.Verdict)); got != inside {
		t.Errorf("got %q, want %q", got, inside)
	}
	mails, err = box.Poll(hosted.GMXName, hosted.Password)
	if err != nil || len(mails) != 1 {
		t.Fatalf("%d mails, %v; want the report", len(mails), err)
	}
	for _, want := range []string{"multipart/report", "Final-Recipient: rfc822;nobody@example.com", "Action: failed", "there is nobody of that name"} {
		if !strings.Contains(strings.ReplaceAll(string(mails[0].Octets), "rfc822; ", "rfc822;"), want) {
			t.Errorf("the report lacks %q:\n%s", want, mails[0].Octets)
		}
	}
	if out, errs, status := box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}

// TestKillsWhileSending kills the services that take mail, keep it and deliver it. Whatever was answered with 250 comes to the relay; what comes
// more often than once is for want of a reply, which nobody can know.
func TestKillsWhileSending(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	r, rule := startRelay(t)
	box := hosted.Start(t, hosted.Settings(p)+trusted+rule)
	const senders, each, kills = 4, 40, 12
	var mu sync.Mutex
	var accepted []string
	var sending sync.WaitGroup
	for n := range senders {
		sending.Go(func() {
			for i := range each {
				mail := mailOf("me@example.org", "friend@example.com", fmt.Sprintf("m%d-%d", n, i))
				if send(box, "me@example.org", "friend@example.com", mail) == nil { // else it may come, and needn't
					mu.Lock()
					accepted = append(accepted, mail)
					mu.Unlock()
				}
			}
		})
	}
	killed := 0
	for range kills {
		select {
		case <-r.all: // as mail goes by
		case <-time.After(10 * time.Second):
		}
		if box.KillService([]string{"smtp", "store"}[rand.IntN(2)]) {
			killed++
		}
	}
	sending.Wait()
	box.Until("the queue to be empty", empty)
	r.mu.Lock()
	defer r.mu.Unlock()
	lost, more := 0, 0
	for _, mail := range accepted {
		switch n := r.mails[mail]; {
		case n == 0:
			lost++
		case n > 1:
			more++
		}
	}
	t.Logf("%d kills; %d of %d mails accepted; %d came more than once", killed, len(accepted), senders*each, more)
	if lost > 0 || len(accepted) == 0 {
		t.Errorf("%d of %d mails that were answered for are lost", lost, len(accepted))
	}
	if out, errs, status := box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}
