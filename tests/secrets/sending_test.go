package secrets

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

const (
	relays = mark + " relays" // is a kept login's
	typed  = mark + " typed"  // is a client's that may not log in
)

// relayTLS is what relays have. The boxes of these tests trust it.
var relayTLS *tls.Config

func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(nil)
	s.Close()
	relayTLS = &tls.Config{Certificates: s.TLS.Certificates}
	dir, err := os.MkdirTemp("", "postroom-secrets-")
	if err == nil {
		roots := filepath.Join(dir, "roots.pem")
		err = os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)
		os.Setenv("SSL_CERT_FILE", roots)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// What clients log in with to send, and what the box logs in with at relays, is written nowhere, also where a relay that refuses it says it
// again.
func TestNoPasswordOfSendingIsWritten(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	if err := p.AddUser(t.Context(), hosted.GMXUser, first); err != nil {
		t.Fatal(err)
	}
	const rule = "\n[[transport_rule]]\nname = %q\nrecipient = %q\nrelay = %q\ntls = \"implicit\"\nlogin = %q\n"
	relay := repeatingRelay(t)
	box := hosted.StartIn(t, hosted.Folder(t), hosted.Settings(p)+
		fmt.Sprintf(rule, "kept", "*@kept.example", relay, "smarthost")+fmt.Sprintf(rule, "own", "*@own.example", relay, "account"),
		"--log-level", "DEBUG")
	var said strings.Builder
	command := func(input string, args ...string) string {
		t.Helper()
		out, errs, status := box.CommandWith(input, args...)
		if status != 0 {
			t.Errorf("%q: exit status %d, %s", args, status, errs)
		}
		said.WriteString(out + errs)
		return out
	}
	command("box@smart.example\n"+relays+"\n", "login", "set", "smarthost")
	if _, err := box.Poll(hosted.GMXName, first); err != nil {
		t.Fatal(err)
	}

	plain := func(password string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+hosted.GMXName+"\x00"+password))
	}
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	said.WriteString(dialogue(t, box, "smtp.listen", "220", "EHLO me", "250", plain(typed), "5", "AUTH LOGIN", "5", encoded(typed), "5"))
	said.WriteString(dialogue(t, box, "smtp.listen_tls", "220", "EHLO me", "250", plain(wrong), "535"))
	said.WriteString(dialogue(t, box, "smtp.listen_tls", "220", "EHLO me", "250", "AUTH LOGIN", "334", encoded(hosted.GMXName), "334", encoded(wrong), "535"))
	said.WriteString(dialogue(t, box, "smtp.listen_tls", "220", "EHLO me", "250", "AUTH PLAIN", "334", encoded("\x00"+wrong), "5",
		"AUTH "+encoded(typed), "5", "AUTHPLAIN "+encoded(typed), "5"))
	said.WriteString(dialogue(t, box, "smtp.listen_tls", "220", "EHLO me", "250", plain(first), "235",
		"MAIL FROM:<"+hosted.GMXUser+">", "250", "RCPT TO:<you@kept.example>", "250", "RCPT TO:<you@own.example>", "250",
		"DATA", "354", "Subject: sent\r\n\r\nwhat a search finds\r\n.", "250", "QUIT", "221"))
	box.Until("both logins' refusals", func(s *contract.GetStatusResponse) bool {
		n := 0
		for _, c := range s.Conditions {
			if c.Name == contract.ConditionRelayLogin {
				n++
			}
		}
		return n == 2
	})
	box.Until("the word to the account's user", hosted.Waiting(hosted.GMXName, 1))
	mails, err := box.Poll(hosted.GMXName, first)
	if err != nil || len(mails) == 0 {
		t.Fatalf("%d mails, %v", len(mails), err)
	}
	for _, m := range mails {
		said.Write(m.Octets)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"queue", "list"}, {"login", "list"}, {"login", "list", "--json"}, {"account", "show", hosted.GMXName}} {
		command("", args...)
	}
	if out := command("", "queue", "list", "--json"); !strings.Contains(out, "not you again") {
		t.Errorf("the queue doesn't have the relay's words: %s", out)
	}
	proofs := []string{"login accepted", "login refused", "not you again"}
	search(t, box, said.String(), proofs...)
	box.Down()
	search(t, box, said.String(), proofs...)
}

// dialogue has a client say lines, behind each of which a reply is wanted that begins so. It gives all replies.
func dialogue(t *testing.T, box *hosted.Box, setting string, greeting string, lines ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", box.Addr(setting).String())
	if err == nil && strings.HasSuffix(setting, "_tls") {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	var all strings.Builder
	reply := func(to, want string) {
		t.Helper()
		for first := true; ; first = false {
			line, err := r.ReadString('\n')
			if err != nil || first && !strings.HasPrefix(line, want) {
				t.Fatalf("reply to %.20q: %q, %v, want %s", to, line, err, want)
			}
			all.WriteString(line)
			if len(line) < 4 || line[3] != '-' {
				return
			}
		}
	}
	reply("the connection", greeting)
	for i := 0; i < len(lines); i += 2 {
		if _, err := fmt.Fprintf(c, "%s\r\n", lines[i]); err != nil {
			t.Fatal(err)
		}
		reply(lines[i], lines[i+1])
	}
	return all.String()
}

// repeatingRelay is a relay that refuses every login and says it again, and gives its address.
func repeatingRelay(t *testing.T) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", relayTLS)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go refuse(c)
		}
	}()
	return l.Addr().String()
}

func refuse(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "220 relay.example\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "EHLO"):
			fmt.Fprint(c, "250-relay.example\r\n250 AUTH PLAIN LOGIN\r\n")
		case strings.HasPrefix(line, "AUTH PLAIN "):
			decoded, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(line, "AUTH PLAIN "))
			parts := strings.Split(string(decoded), "\x00")
			fmt.Fprintf(c, "535-5.7.8 not you again: %s\r\n535 5.7.8 password %s\r\n", line, parts[len(parts)-1])
		case line == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}
