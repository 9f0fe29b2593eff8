// Package mailclient polls boxes with the mail clients that people use.
package mailclient

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
)

// A Poll is one poll of an account by a real client.
type Poll struct {
	Addr netip.AddrPort // implicit TLS, by the name localhost
	CA   string         // file of the certificate that the box's is checked with
	Name string         // compound name; the password is hosted.Password
	Dir  string         // for the client's files, kept between polls; see Folder
}

// A Client is a program that people fetch mail with.
type Client struct {
	Name string
	// Run polls, and gives the mails that it retrieved, as it kept them.
	Run func(testing.TB, Poll) [][]byte

	undo func([]byte) []byte // takes back from a mail what the client does to it; nil: it keeps the octets as they came
}

// All are the clients that are tried.
var All = []Client{
	{"poplib", poplib, nil},
	{"curl", curl, nil},
	{"fetchmail", fetchmail, lineEnds},
	{"mpop", mpop, lineEnds},
	{"getmail", getmail, returnPath},
}

// Compare gives how many of the wanted mails are not among those that the client retrieved, and how many of those are
// none of them, or are there more often.
func (c Client) Compare(want, got [][]byte) (missing, extra int) {
	if c.undo != nil {
		want, got = each(want, c.undo), each(got, c.undo)
	}
	return hosted.Missing(want, got)
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

func run(t testing.TB, dir, input, name string, args ...string) (stdout string) {
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

func write(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// files gives what stands below a folder and removes it.
func files(t testing.TB, dir string) (list [][]byte) {
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

// Folder is a folder that other users may enter.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "client")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func maildir(t testing.TB, dir string) string {
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

func poplib(t testing.TB, p Poll) [][]byte {
	out := filepath.Join(p.Dir, "mail")
	if err := os.MkdirAll(out, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, p.Dir, poplibScript, "python3", "-", "localhost", strconv.Itoa(int(p.Addr.Port())), p.CA, p.Name, hosted.Password, out)
	return files(t, out)
}

func curl(t testing.TB, p Poll) [][]byte {
	url := fmt.Sprintf("pop3s://localhost:%d/", p.Addr.Port())
	login := []string{"--silent", "--show-error", "--cacert", p.CA, "--user", p.Name + ":" + hosted.Password}
	list := run(t, p.Dir, "", "curl", append(login, url)...)
	out := filepath.Join(p.Dir, "mail")
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
		run(t, p.Dir, "", "curl", args...)
	}
	return files(t, out)
}

func fetchmail(t testing.TB, p Poll) [][]byte {
	out := filepath.Join(p.Dir, "mail")
	if err := os.MkdirAll(out, 0o700); err != nil {
		t.Fatal(err)
	}
	rc := write(t, filepath.Join(p.Dir, "fetchmailrc"), fmt.Sprintf(`
set invisible
set idfile %q
poll localhost protocol pop3 port %d auth password
  user %q password %q no rewrite
  ssl sslcertck sslcertfile %q
  mda "/bin/sh -c 'cat > $(mktemp %s/XXXXXXXX)'"
`, filepath.Join(p.Dir, "ids"), p.Addr.Port(), p.Name, hosted.Password, p.CA, out))
	run(t, p.Dir, "", "fetchmail", "--fetchmailrc", rc, "--nodetach", "--nosyslog", "--pidfile", filepath.Join(p.Dir, "pid"))
	return files(t, out)
}

func mpop(t testing.TB, p Poll) [][]byte {
	out := maildir(t, filepath.Join(p.Dir, "maildir"))
	rc := write(t, filepath.Join(p.Dir, "mpoprc"), fmt.Sprintf(`
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
`, p.Addr.Port(), p.CA, p.Name, hosted.Password, out, filepath.Join(p.Dir, "uidls")))
	run(t, p.Dir, "", "mpop", "--file="+rc)
	return files(t, out)
}

func getmail(t testing.TB, p Poll) [][]byte {
	out := maildir(t, filepath.Join(p.Dir, "maildir"))
	ca, err := os.ReadFile(p.CA)
	if err != nil {
		t.Fatal(err)
	}
	p.CA = write(t, filepath.Join(p.Dir, "ca.pem"), string(ca))
	rc := write(t, filepath.Join(p.Dir, "getmailrc"), fmt.Sprintf(`
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
`, p.Addr.Port(), p.Name, hosted.Password, p.CA, out))
	if os.Getuid() != 0 {
		run(t, p.Dir, "", "getmail", "--getmaildir", p.Dir, "--rcfile", rc)
		return files(t, out)
	}
	// getmail keeps no mail as root.
	own := exec.Command("chown", "-R", "nobody", p.Dir)
	if text, err := own.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	run(t, p.Dir, "", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "getmail", "--getmaildir", p.Dir, "--rcfile", rc)
	return files(t, out)
}
