package settings

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

// apply puts a settings file in force.
func apply(t *testing.T, box *hosted.Box, text string) {
	t.Helper()
	box.Settings(text)
	out, errs, status := box.Command("settings", "apply", box.File())
	if want := box.File() + " is in force\n"; out != want || status != 0 {
		t.Fatalf("settings apply: exit status %d, %s%s", status, out, errs)
	}
}

// Who may log in without TLS changes for the next login, on a connection that was open before too, and no
// service is started anew for it.
func TestPlaintextLoginAtOnce(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	with := func(value string) string {
		return strings.Replace(hosted.Settings(p), "[pop3]\n", fmt.Sprintf("[pop3]\nplaintext_login = %q\n", value), 1)
	}
	box := hosted.Start(t, with("always"))
	pid := box.Pid("pop3")
	open := dial(t, box, "pop3.listen")
	login := func() error {
		s := dial(t, box, "pop3.listen")
		defer s.Close()
		s.LogIn(hosted.WebName, hosted.Password)
		s.Command("QUIT")
		return s.Err()
	}
	if err := login(); err != nil {
		t.Fatalf("always: %v", err)
	}
	apply(t, box, with("never"))
	until(t, "a login without TLS is refused", func() bool { return errors.Is(login(), hosted.ErrRefused) })
	open.Command("USER %s", hosted.WebName)
	if err := open.Err(); !errors.Is(err, hosted.ErrRefused) || !strings.Contains(err.Error(), "log in over TLS") {
		t.Errorf("on the connection that was open before: %v", err)
	}
	apply(t, box, with("trusted")+"\n[[trusted_network]]\nname = \"here\"\ncidr = \"127.0.0.0/8\"\n")
	until(t, "a login without TLS is let in again", func() bool { return login() == nil })
	if now := box.Pid("pop3"); now != pid {
		t.Errorf("pop3 was process %d and is %d", pid, now)
	}
}

// Where pop3 listens changes at once: new clients find it there, and who was let in before finishes undisturbed.
func TestListenElsewhere(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	before := hosted.Settings(p)
	box := hosted.Start(t, before)
	mail := []byte("Subject: one\r\n\r\nto be read across the change\r\n")
	if err := p.Fill(hosted.WebUser, [][]byte{mail}); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Poll(hosted.WebName, hosted.Password); err != nil {
		t.Fatal(err)
	}
	box.Until("fetched mail", hosted.Waiting(hosted.WebName, 1))
	old, oldTLS := box.Addr("pop3.listen"), box.Addr("pop3.listen_tls")
	open := dial(t, box, "pop3.listen_tls")
	open.LogIn(hosted.WebName, hosted.Password)

	// The console and the socket for STLS stay where they are.
	apply(t, box, strings.Replace(before, `listen_tls = ["127.0.0.1:0"]`, `listen_tls = ["127.0.0.2:0"]`, 1))
	if now := box.UntilElsewhere("pop3.listen_tls", oldTLS); now.Addr().String() != "127.0.0.2" {
		t.Errorf("listens at %s", now)
	}
	if now := box.Addr("pop3.listen"); now != old {
		t.Errorf("what did not change is at %s, and was at %s", now, old)
	}
	open.Command("NOOP")
	fresh := dial(t, box, "pop3.listen_tls")
	second := dial(t, box, "pop3.listen_tls") // to a process that knows nothing of the open session
	second.LogIn(hosted.WebName, hosted.Password)
	if err := second.Err(); err == nil || !strings.Contains(err.Error(), "-ERR [IN-USE] ") {
		t.Errorf("a second session of the account, in the new process: got %v, want [IN-USE]", err)
	}
	mails := open.Retrieve()
	open.Command("QUIT")
	if err := open.Err(); err != nil {
		t.Fatalf("the session that was open: %v", err)
	}
	if len(mails) != 1 || string(mails[0].Octets) != string(hosted.Verdict)+string(mail) {
		t.Errorf("the session that was open got %q", mails)
	}
	fresh.LogIn(hosted.GMXName, hosted.Password)
	fresh.Command("QUIT")
	if err := fresh.Err(); err != nil {
		t.Errorf("a session at the new place: %v", err)
	}
	box.UntilLogged("the end of the old server", func(log string) bool {
		_, behind, _ := strings.Cut(log, `msg="service replaced" service=init service=pop3`)
		return strings.Contains(behind, `msg="service stopped" service=init service=pop3`)
	})
	if c, err := net.DialTimeout("tcp", oldTLS.String(), time.Minute); err == nil {
		c.Close()
		t.Errorf("%s, where nothing listens any more, took a connection", oldTLS)
	}
	if got, err := box.Poll(hosted.WebName, hosted.Password); err != nil || len(got) != 0 {
		t.Errorf("the next poll got %d mails, %v", len(got), err)
	}
}

// An address that is taken is a condition as long as the settings name it; pop3 goes on where it was.
func TestListenWhereAnotherListens(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := file(`schedule = "7m"`)
	box := hosted.Start(t, before)
	at := box.Addr("pop3.listen")
	pid := box.Pid("pop3")
	apply(t, box, strings.Replace(before, "127.0.0.1:0", other.Addr().String(), 1))
	box.Until("the condition", func(s *contract.GetStatusResponse) bool { return holds(s, contract.ConditionService, "pop3") })
	told := fmt.Sprintf("\n  setting pop3.listen: listen for pop3.listen on %q: bind: address already in use\n", other.Addr())
	if status, _, _ := box.Command("status"); !strings.Contains(status, "! service pop3 since ") || !strings.Contains(status, told) {
		t.Errorf("status doesn't say %q:\n%s", told, status)
	}
	greeting := dial(t, box, "pop3.listen")
	greeting.Command("QUIT")
	if err := greeting.Err(); err != nil || box.Addr("pop3.listen") != at {
		t.Errorf("pop3 does not go on where it was: %v", err)
	}
	apply(t, box, before)
	box.Until("no condition", func(s *contract.GetStatusResponse) bool { return !holds(s, contract.ConditionService, "pop3") })
	if now := box.Pid("pop3"); now != pid {
		t.Errorf("pop3 was process %d and is %d", pid, now)
	}
}

func dial(t *testing.T, box *hosted.Box, setting string) *hosted.Session {
	t.Helper()
	s, err := box.Dial(setting)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// until repeats what a client does until it is as wanted: settings reach the services a moment behind apply.
func until(t *testing.T, what string, wanted func() bool) {
	t.Helper()
	for began := time.Now(); !wanted(); {
		if time.Since(began) > time.Minute {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
