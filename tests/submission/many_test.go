package submission

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

var queuedMails = flag.Int("queued", 3000, "mails in the queue of TestManyQueued; with -as-shipped its figures are those of BENCHMARKS.md")

// TestManyQueued starts a box on a full queue: one mail of a hundred goes to a relay that works, all others, that are older, to one that is
// dead. Those of the relay that works go out at once.
func TestManyQueued(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	r, rule := startRelay(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never says a word: nothing moves while the queue is filled
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	to := func(name, domain string, addr net.Addr) string {
		return fmt.Sprintf("\n[[transport_rule]]\nname = %q\nrecipient = \"*@%s\"\nrelay = %q\ntls = \"none\"\n", name, domain, addr)
	}
	const dead = "dead.example"
	box := hosted.Start(t, hosted.Settings(p)+trusted+to("filling", dead, silent.Addr())+to("filling too", "alive.example", silent.Addr()))
	mails, good := *queuedMails, *queuedMails/100
	fill(t, box, 0, mails-good, dead)
	fill(t, box, mails-good, good, "alive.example")
	box.Kill()
	box.Settings(hosted.Settings(p) + trusted + to("dead", dead, refusing(t)) + rule)
	began := time.Now()
	box.Up()
	ready := time.Since(began)
	var first time.Duration
	late := time.After(time.Minute)
	for n := range good {
		select {
		case <-r.all:
		case <-late:
			t.Fatalf("%d of %d mails came in a minute", n, good)
		}
		if n == 0 {
			first = time.Since(began)
		}
	}
	all := time.Since(began)
	t.Logf("%d mails, %d of them for a relay that works: ready in %.2f s, the first went out %.2f s behind the start, the last of those %.2f s; "+
		"memory: smtp %s, store %s", mails, good, ready.Seconds(), first.Seconds(), all.Seconds(), memory(t, box, "smtp"), memory(t, box, "store"))
	box.Until("the others to be left", func(s *contract.GetStatusResponse) bool {
		for _, q := range s.Queues {
			if q.Queue == contract.QueueTransport {
				return q.Messages == uint64(mails-good)
			}
		}
		return false
	})
}

// refusing is an address that refuses connections, and stays so until the test ends: bound, with nobody who listens.
func refusing(t *testing.T) net.Addr {
	t.Helper()
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(s) })
	if err := syscall.Bind(s, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(s)
	if err != nil {
		t.Fatal(err)
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
}

// fill puts mails into the queue as smtp does.
func fill(t *testing.T, box *hosted.Box, from, n int, domain string) {
	t.Helper()
	store := contract.NewClient(filepath.Join(box.Data(), "run", "smtp.sock"), contract.NewSmtpClient)
	defer store.Close()
	const together = 200
	for end := from + n; from < end; {
		q := &contract.SubmitAllRequest{}
		for ; from < end && len(q.Mails) < together; from++ {
			recipient := fmt.Sprintf("you%d@%s", from, domain)
			text := mailOf("me@example.org", recipient, fmt.Sprintf("m%d", from)) + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 50)
			q.Mails = append(q.Mails, &contract.SubmitMail{
				Key: binary.BigEndian.AppendUint64(make([]byte, 8), uint64(from+1)), Body: []byte(text), Sender: fmt.Sprintf("me%d@example.org", from%100), Client: "127.0.0.1",
				Recipients: []*contract.SubmitRecipient{{Address: recipient}},
			})
		}
		answer, err := contract.Call(t.Context(), store, contract.SmtpClient.SubmitAll, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range answer.Answers {
			if one.Code != 0 {
				t.Fatal(one.Text)
			}
		}
	}
}

// memory is a service's resident set.
func memory(t *testing.T, box *hosted.Box, service string) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", box.Pid(service)))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib := 0
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%.1f MiB", float64(kib)/1024)
}
