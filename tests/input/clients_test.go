// Package input gives boxes what they can't do anything with, and holds what a person is told.
package input

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"postroom/tests/hosted"
)

// curl logs in with curl, over TLS, and gives the box's answer to the password.
func curl(t *testing.T, box *hosted.Box, name, password string) (reply string) {
	t.Helper()
	at := url.URL{
		Scheme: "pop3s", User: url.UserPassword(name, password), Path: "/",
		Host: fmt.Sprintf("localhost:%d", box.Addr("pop3.listen_tls").Port()),
	}
	cmd := exec.CommandContext(t.Context(), "curl", "--silent", "--verbose", "--cacert", box.CA(), at.String())
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Error(err)
	}
	_, behind, ok := strings.Cut(said.String(), "> AUTH PLAIN")
	if !ok {
		t.Errorf("curl sent no password:\n%s", &said)
	}
	_, behind, _ = strings.Cut(behind, "\n> ") // its response to an empty challenge
	_, answer, _ := strings.Cut(behind, "\n< ")
	answer, _, _ = strings.Cut(answer, "\n")
	return withoutConn(t, strings.TrimSpace(answer))
}

var conn = regexp.MustCompile(` \(conn [0-9a-f]+\)$`)

// withoutConn takes off the connection's id, with which a refusal ends.
func withoutConn(t *testing.T, reply string) string {
	t.Helper()
	if strings.HasPrefix(reply, "-ERR") && !conn.MatchString(reply) {
		t.Errorf("a refusal doesn't end in the connection's id: %q", reply)
	}
	return conn.ReplaceAllString(reply, "")
}

const poplibScript = `
import poplib, sys
box = poplib.POP3("localhost", int(sys.argv[1]))
try:
    box.user(sys.argv[2])
    box.pass_(sys.argv[3])
    print("+OK")
except poplib.error_proto as err:
    print(err.args[0].decode())
box.quit()
`

// poplib logs in with Python's poplib, without TLS, and gives what stops it, or +OK.
func poplib(t *testing.T, at netip.AddrPort, name, password string) (reply string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", "-", fmt.Sprint(at.Port()), name, password)
	cmd.Stdin = strings.NewReader(poplibScript)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("poplib: %v", err)
	}
	return withoutConn(t, strings.TrimSpace(string(out)))
}

// unlimited is a settings file by which failed logins are answered at once.
func unlimited(settings string) string {
	return strings.Replace(settings, "[pop3]\n", "[pop3]\nfailed_logins_per_minute = 0\n", 1)
}

// profile is a [[provider]] block of a settings file.
func profile(host string, address netip.AddrPort, tls, ca string) string {
	return fmt.Sprintf("\n[[provider]]\nhost = %q\naddress = %q\ntls = %q\nca = '''\n%s'''\nmin_interval = \"0s\"\n", host, address, tls, ca)
}
