// Package sessions holds what mail clients' sessions with a box come to, over several of them.
package sessions

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postroom/tests/hosted"
	"postroom/tests/mailclient"
)

// Every way to log in that clients have is taken, and leads to the mail.
func TestWaysToLogIn(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	mail := []byte("Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\n.one\r\n")
	if err := p.Fill(hosted.WebUser, [][]byte{mail}); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Poll(hosted.WebName, hosted.Password); err != nil {
		t.Fatal(err)
	}
	box.Until("fetched mail", hosted.Waiting(hosted.WebName, 1))
	if _, errs, status := box.Command("account", "set", hosted.WebName, "retrieved=until-dele"); status != 0 {
		t.Fatal(errs)
	}
	ca, port := box.CA(), box.Addr("pop3.listen_tls").Port()
	want := string(hosted.Verdict) + string(mail)

	for _, options := range [][]string{
		{"--login-options", "AUTH=PLAIN"},
		{"--login-options", "AUTH=PLAIN", "--sasl-ir"},
		{"--login-options", "AUTH=LOGIN"},
		{"--login-options", "AUTH=LOGIN", "--sasl-ir"},
	} {
		args := append(options, "--silent", "--show-error", "--cacert", ca, "--user", hosted.WebName+":"+hosted.Password,
			fmt.Sprintf("pop3s://localhost:%d/1", port))
		if got := output(t, "", "curl", args...); got != want {
			t.Errorf("curl %q: got %q, want %q", options, got, want)
		}
	}

	for _, auth := range []string{"plain", "login", "user"} {
		dir := mailclient.Folder(t)
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(dir, "mail", sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		rc := filepath.Join(dir, "mpoprc")
		text := fmt.Sprintf("account default\nhost localhost\nport %d\ntls on\ntls_starttls off\ntls_trust_file %s\nauth %s\nuser %s\npassword %q\n"+
			"keep on\ndelivery maildir %s\nuidls_file %s\nreceived_header off\n",
			port, ca, auth, hosted.WebName, hosted.Password, filepath.Join(dir, "mail"), filepath.Join(dir, "uidls"))
		if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		output(t, "", "mpop", "--file="+rc)
		if files, err := filepath.Glob(filepath.Join(dir, "mail", "new", "*")); err != nil || len(files) != 1 {
			t.Errorf("mpop, auth %s: got %q, %v, want one mail", auth, files, err)
		}
	}

	if got := output(t, poplibScript, "python3", "-", fmt.Sprint(port), ca, hosted.WebName, hosted.Password); got != want {
		t.Errorf("poplib: got %q, want %q", got, want)
	}
}

// poplibScript uses all of RFC 2449 and 6856 that poplib knows.
const poplibScript = `
import poplib, ssl, sys
port, ca, name, password = sys.argv[1:]
box = poplib.POP3_SSL("localhost", int(port), context=ssl.create_default_context(cafile=ca))
before = box.capa()
assert before["EXPIRE"] == ["0", "USER"], before
assert before["SASL"] == ["PLAIN", "LOGIN"] and "STLS" not in before, before
box.utf8()
box.user(name)
box.pass_(password)
after = box.capa()
assert after.pop("EXPIRE") == ["NEVER"], after
del before["EXPIRE"]
assert after == before, (before, after)
for gone in (lambda: box.apop(name, password), lambda: box.rpop(name), lambda: box.utf8()):
    try:
        gone()
    except poplib.error_proto:
        continue
    raise SystemExit("this should have been refused")
reply, lines, octets = box.retr(1)
box.quit()
sys.stdout.buffer.write(b"".join(line + b"\r\n" for line in lines))
`

func output(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, &errs)
	}
	return out.String()
}
