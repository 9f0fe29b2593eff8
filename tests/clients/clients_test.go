// Package clients polls boxes with the mail clients that people use.
package clients

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"postroom/tests/hosted"
	"postroom/tools/provider"
)

// poll is one poll of an account by a real client.
type poll struct {
	addr netip.AddrPort // implicit TLS
	ca   string         // file of the box's certificate
	name string
	dir  string // for the client's files, kept between polls
}

// clients are the real clients. Each gives the mails that it retrieved, as it kept them; undo takes back from a
// mail what the client does to it, nil where it keeps the octets as they came.
var clients = []struct {
	name string
	undo func([]byte) []byte
	run  func(*testing.T, poll) [][]byte
}{
	{"poplib", nil, poplib},
	{"curl", nil, curl},
	{"fetchmail", lineEnds, fetchmail},
	{"mpop", lineEnds, mpop},
	{"getmail", returnPath, getmail},
}

func TestDeliveryIsInTheSecondPoll(t *testing.T) {
	t.Parallel()
	var samples [][]byte
	for _, s := range provider.Samples() {
		samples = append(samples, s.Message)
	}
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			p := hosted.Provider(t)
			box := hosted.Start(t, hosted.Settings(p))
			ca := box.CA()
			for user, name := range map[string]string{hosted.WebUser: hosted.WebName, hosted.GMXUser: hosted.GMXName} {
				if err := p.Fill(user, samples); err != nil {
					t.Fatal(err)
				}
				q := poll{addr: box.Addr("pop3.listen_tls"), ca: ca, name: name, dir: folder(t)}
				if got := client.run(t, q); len(got) != 0 {
					t.Errorf("%s: the first poll got %d mails", name, len(got))
				}
				box.Until("validated mail", hosted.Waiting(name, uint64(len(samples))))
				got := client.run(t, q)
				want := samples
				if client.undo != nil {
					got, want = each(got, client.undo), each(want, client.undo)
				}
				if missing, extra := hosted.Missing(want, got); missing != 0 || extra != 0 {
					t.Errorf("%s: the second poll got %d mails; %d are missing, %d are others", name, len(got), missing, extra)
				}
				if left, err := p.Count(user); err != nil || left != 0 {
					t.Errorf("%s: the provider still holds %d mails, %v", name, left, err)
				}
				if got := client.run(t, q); len(got) != 0 {
					t.Errorf("%s: the third poll got %d mails", name, len(got))
				}
			}
		})
	}
}

// lineEnds undoes what clients do that keep text in the form of their system: CRLF became LF.
func lineEnds(m []byte) []byte {
	m = bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n"))
	return bytes.TrimPrefix(m, bytes.ReplaceAll(hosted.Verdict, []byte("\r\n"), []byte("\n")))
}

// returnPath undoes what getmail does as well: it puts a Return-Path of its own in front and takes the mail's out.
func returnPath(m []byte) []byte {
	m = bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n"))
	header, body, _ := bytes.Cut(m, []byte("\n\n"))
	var kept [][]byte
	for _, line := range bytes.Split(header, []byte("\n")) {
		if !bytes.HasPrefix(line, []byte("Return-Path: ")) {
			kept = append(kept, line)
		}
	}
	return lineEnds(bytes.Join([][]byte{bytes.Join(kept, []byte("\n")), body}, []byte("\n\n")))
}

func each(mails [][]byte, undo func([]byte) []byte) (list [][]byte) {
	for _, m := range mails {
		list = append(list, undo(m))
	}
	return list
}

func run(t *testing.T, dir, input, name string, args ...string) (stdout string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		exit := cmd.ProcessState.ExitCode()
		if name == "fetchmail" && exit == 1 { // "no mail"
			return out.String()
		}
		t.Fatalf("%s: %v\n%s%s", name, err, &out, &errs)
	}
	return out.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// files gives what stands below a folder and removes it.
func files(t *testing.T, dir string) (list [][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		list = append(list, b)
		return os.Remove(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// folder is a folder that other users may enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "client")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func maildir(t *testing.T, dir string) string {
	t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const poplibScript = `
import os, poplib, ssl, sys
host, port, ca, name, password, folder = sys.argv[1:]
poplib._MAXLINE = 1 << 20
box = poplib.POP3_SSL("localhost", int(port), context=ssl.create_default_context(cafile=ca))
box.user(name)
box.pass_(password)
count, octets = box.stat()
sizes = [int(line.split()[1]) for line in box.list()[1]]
assert len(sizes) == count and sum(sizes) == octets, (sizes, count, octets)
for i in range(1, count + 1):
    reply, lines, _ = box.retr(i)
    mail = b"".join(line + b"\r\n" for line in lines)
    assert len(mail) == sizes[i - 1], ("LIST", sizes[i - 1], "RETR", len(mail))
    with open(os.path.join(folder, str(i)), "wb") as f:
        f.write(mail)
box.quit()
`

func poplib(t *testing.T, p poll) [][]byte {
	out := filepath.Join(p.dir, "mail")
	if err := os.MkdirAll(out, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, p.dir, poplibScript, "python3", "-", "localhost", strconv.Itoa(int(p.addr.Port())), p.ca, p.name, hosted.Password, out)
	return files(t, out)
}

func curl(t *testing.T, p poll) [][]byte {
	url := fmt.Sprintf("pop3s://localhost:%d/", p.addr.Port())
	login := []string{"--silent", "--show-error", "--cacert", p.ca, "--user", p.name + ":" + hosted.Password}
	list := run(t, p.dir, "", "curl", append(login, url)...)
	out := filepath.Join(p.dir, "mail")
	if err := os.MkdirAll(out, 0o700); err != nil {
		t.Fatal(err)
	}
	args := login
	for line := range strings.Lines(list) {
		number, _, ok := strings.Cut(line, " ")
		if !ok {
			continue // an empty listing is an empty line
		}
		args = append(args, "--output", filepath.Join(out, number), url+number)
	}
	if len(args) > len(login) {
		run(t, p.dir, "", "curl", args...)
	}
	return files(t, out)
}

func fetchmail(t *testing.T, p poll) [][]byte {
	out := filepath.Join(p.dir, "mail")
	if err := os.MkdirAll(out, 0o700); err != nil {
		t.Fatal(err)
	}
	rc := write(t, filepath.Join(p.dir, "fetchmailrc"), fmt.Sprintf(`
set invisible
set idfile %q
poll localhost protocol pop3 port %d auth password
  user %q password %q no rewrite
  ssl sslcertck sslcertfile %q
  mda "/bin/sh -c 'cat > $(mktemp %s/XXXXXXXX)'"
`, filepath.Join(p.dir, "ids"), p.addr.Port(), p.name, hosted.Password, p.ca, out))
	run(t, p.dir, "", "fetchmail", "--fetchmailrc", rc, "--nodetach", "--nosyslog", "--pidfile", filepath.Join(p.dir, "pid"))
	return files(t, out)
}

func mpop(t *testing.T, p poll) [][]byte {
	out := maildir(t, filepath.Join(p.dir, "maildir"))
	rc := write(t, filepath.Join(p.dir, "mpoprc"), fmt.Sprintf(`
account default
host localhost
port %d
tls on
tls_starttls off
tls_trust_file %s
user %s
password "%s"
delivery maildir %s
uidls_file %s
received_header off
`, p.addr.Port(), p.ca, p.name, hosted.Password, out, filepath.Join(p.dir, "uidls")))
	run(t, p.dir, "", "mpop", "--file="+rc)
	return files(t, out)
}

func getmail(t *testing.T, p poll) [][]byte {
	out := maildir(t, filepath.Join(p.dir, "maildir"))
	ca, err := os.ReadFile(p.ca)
	if err != nil {
		t.Fatal(err)
	}
	p.ca = write(t, filepath.Join(p.dir, "ca.pem"), string(ca))
	rc := write(t, filepath.Join(p.dir, "getmailrc"), fmt.Sprintf(`
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = %d
username = %s
password = %s
ca_certs = %s

[destination]
type = Maildir
path = %s/

[options]
delete = true
delivered_to = false
received = false
verbose = 0
`, p.addr.Port(), p.name, hosted.Password, p.ca, out))
	if os.Getuid() != 0 {
		run(t, p.dir, "", "getmail", "--getmaildir", p.dir, "--rcfile", rc)
		return files(t, out)
	}
	// getmail keeps no mail as root.
	own := exec.Command("chown", "-R", "nobody", p.dir)
	if text, err := own.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	run(t, p.dir, "", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "getmail", "--getmaildir", p.dir, "--rcfile", rc)
	return files(t, out)
}
