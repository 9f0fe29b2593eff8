// Package submission sends mail through boxes with the mail clients that people use.
package submission

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

// trusted makes all of loopback a trusted network.
const trusted = "\n[[trusted_network]]\nname = \"loopback\"\ncidr = \"127.0.0.0/8\"\n"

// nowhere keeps what is for other hosts in the queue: no host listens there, and nothing leaves this machine.
const nowhere = "\n[[transport_rule]]\nname = \"nowhere\"\nrelay = \"127.0.0.1:9\"\ntls = \"none\"\n"

// A way is how a client reaches a box.
type way struct {
	name    string
	setting string
	tls     string // "", "starttls", "implicit"
	login   bool
}

var ways = []way{
	{"trusted, in the clear", "smtp.listen", "", false},
	{"trusted, STARTTLS", "smtp.listen_submission", "starttls", false},
	{"login, STARTTLS", "smtp.listen_submission", "starttls", true},
	{"login, TLS", "smtp.listen_tls", "implicit", true},
}

// job is one mail that a client is to send.
type job struct {
	way
	at   netip.AddrPort
	ca   string // file of the certificate that the box's is checked with
	dir  string // for the client's files
	mail string // file; its lines end in LF
}

const (
	sender    = "sender@example.org"
	recipient = "recipient@example.com"
	subject   = "from a real client"
)

// body comes as it is, dots and long lines too; the header is partly the clients' own.
var body = "..\n.\n. dots\n\n" + strings.Repeat("long ", 180) + "\nthe end\n"

var clients = []struct {
	name string
	run  func(*testing.T, job)
}{
	{"swaks", swaks}, {"msmtp", msmtp}, {"curl", curl}, {"smtplib", smtplib}, {"neomutt", neomutt},
}

func TestClients(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p)+trusted+nowhere)
	if _, err := box.Poll(hosted.WebName, hosted.Password); err != nil { // a login here brings no account
		t.Fatal(err)
	}
	ca := box.CA()
	for _, client := range clients {
		for _, w := range ways {
			t.Run(client.name+", "+w.name, func(t *testing.T) {
				j := job{way: w, at: box.Addr(w.setting), ca: ca, dir: hosted.Folder(t)}
				j.mail = filepath.Join(j.dir, "mail")
				write(t, j.mail, "From: "+sender+"\nTo: "+recipient+"\nBcc: secret@example.com\nSubject: "+subject+"\n\n"+body)
				before := queued(t, box)
				client.run(t, j)
				mails := queued(t, box)
				if len(mails) != len(before)+1 {
					t.Fatalf("%d mails in the queue, want %d", len(mails), len(before)+1)
				}
				check(t, box, mails[len(mails)-1], w)
			})
		}
	}
}

func check(t *testing.T, box *hosted.Box, m *contract.Transport, w way) {
	if m.Sender != sender || len(m.Recipients) != 1 || m.Recipients[0].Address != recipient || m.Client != "127.0.0.1" {
		t.Errorf("envelope: %v", m)
	}
	header, rest, _ := strings.Cut(octets(t, box, m), "\r\n\r\n")
	with := "SMTP" // without anything else, neomutt says HELO
	if w.tls != "" || w.login {
		with = "with ESMTP"
	}
	if w.tls != "" {
		with += "S"
	}
	if w.login {
		with += "A"
	}
	header = strings.ReplaceAll(header, "\r\n\t", " ")
	for _, line := range []string{"Received: from ", with + " ", "\r\nDate: ", "\r\nMessage-ID: <", "\r\nSubject: " + subject + "\r\n"} {
		if !strings.Contains(strings.ReplaceAll(header+"\r\n", "Message-Id:", "Message-ID:"), line) {
			t.Errorf("%q is missing in the header:\n%s", line, header)
		}
	}
	if strings.Contains(strings.ToLower(header), "\nbcc:") {
		t.Errorf("there is a Bcc in the header:\n%s", header)
	}
	// swaks puts an empty line behind the last one.
	if got := strings.TrimRight(strings.ReplaceAll(rest, "\r\n", "\n"), "\n") + "\n"; got != body {
		t.Errorf("body: got %q, want %q", got, body)
	}
}

// queued gives the mails of the Transport Queue.
func queued(t *testing.T, box *hosted.Box) []*contract.Transport {
	t.Helper()
	answer, err := contract.Call(t.Context(), box.Admin, contract.AdminService.ListQueue, &contract.ListQueueRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Mails
}

// octets reads a mail where the store keeps it.
func octets(t *testing.T, box *hosted.Box, m *contract.Transport) string {
	t.Helper()
	f, err := os.Open(filepath.Join(box.Data(), "store", "bodies", fmt.Sprintf("%08d.seg", m.Body.Segment)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := make([]byte, m.Body.Length)
	if _, err := f.ReadAt(text, int64(m.Body.Offset)); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func swaks(t *testing.T, j job) {
	args := []string{
		"--server", "localhost", "--port", j.port(), "--from", sender, "--to", recipient, "--data", "@" + j.mail,
		"--tls-verify", "--tls-ca-path", j.ca,
	}
	switch j.tls {
	case "starttls":
		args = append(args, "--tls")
	case "implicit":
		args = append(args, "--tls-on-connect")
	}
	if j.login {
		args = append(args, "--auth", "LOGIN", "--auth-user", hosted.WebName, "--auth-password", hosted.Password)
	}
	run(t, j, "", "swaks", args...)
}

func msmtp(t *testing.T, j job) {
	config := fmt.Sprintf("account default\nhost localhost\nport %s\nfrom %s\n", j.port(), sender)
	if j.tls == "" {
		config += "tls off\n"
	} else {
		config += fmt.Sprintf("tls on\ntls_starttls %s\ntls_trust_file %s\n", map[bool]string{true: "on", false: "off"}[j.tls == "starttls"], j.ca)
	}
	if j.login {
		config += fmt.Sprintf("auth plain\nuser %s\npassword %s\n", hosted.WebName, hosted.Password)
	}
	file := filepath.Join(j.dir, "msmtprc")
	write(t, file, config)
	run(t, j, read(t, j.mail), "msmtp", "-C", file, "--", recipient)
}

func curl(t *testing.T, j job) {
	// It sends what it's given: lines that end in CRLF.
	write(t, j.mail, strings.ReplaceAll(read(t, j.mail), "\n", "\r\n"))
	scheme := "smtp"
	if j.tls == "implicit" {
		scheme = "smtps"
	}
	args := []string{
		"--silent", "--show-error", "--cacert", j.ca, "--mail-from", sender, "--mail-rcpt", recipient,
		"--upload-file", j.mail, scheme + "://localhost:" + j.port() + "/pc",
	}
	if j.tls == "starttls" {
		args = append(args, "--ssl-reqd")
	}
	if j.login {
		args = append(args, "--user", hosted.WebName+":"+hosted.Password)
	}
	run(t, j, "", "curl", args...)
}

const smtplibProgram = `
import smtplib, ssl, sys
port, tls, ca, user, password, sender, recipient, mail = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
kind = smtplib.SMTP_SSL if tls == "implicit" else smtplib.SMTP
more = {"context": context} if tls == "implicit" else {}
with kind("localhost", int(port), **more) as s:
    if tls == "starttls":
        s.starttls(context=context)
    if user:
        s.login(user, password)
    s.sendmail(sender, [recipient], open(mail).read(), mail_options=["BODY=8BITMIME"])
`

func smtplib(t *testing.T, j job) {
	user, password := "", ""
	if j.login {
		user, password = hosted.WebName, hosted.Password
	}
	run(t, j, "", "python3", "-c", smtplibProgram, j.port(), j.tls, j.ca, user, password, sender, recipient, j.mail)
}

func neomutt(t *testing.T, j job) {
	who := ""
	if j.login {
		who = strings.ReplaceAll(hosted.WebName, "@", "%40") + "@"
	}
	scheme := "smtp"
	if j.tls == "implicit" {
		scheme = "smtps"
	}
	write(t, filepath.Join(j.dir, "text"), body)
	write(t, filepath.Join(j.dir, "muttrc"), fmt.Sprintf(`
set smtp_url = "%s://%slocalhost:%s/"
set smtp_pass = "%s"
set ssl_starttls = %s
set ssl_force_tls = %s
set certificate_file = "%s"
set from = "%s"
set use_envelope_from = yes
set envelope_from_address = "%s"
set copy = no
set sendmail_wait = 0
set allow_8bit = yes
set text_flowed = no
set charset = "us-ascii"
`, scheme, who, j.port(), hosted.Password, yes(j.tls == "starttls"), yes(j.tls != ""), j.ca, sender, sender))
	run(t, j, body, "neomutt", "-n", "-F", filepath.Join(j.dir, "muttrc"), "-s", subject, "--", recipient)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (j job) port() string { return fmt.Sprint(j.at.Port()) }

func run(t *testing.T, j job, input, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdin = j.dir, strings.NewReader(input)
	cmd.Env = append(os.Environ(), "HOME="+j.dir, "TERM=dumb")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
