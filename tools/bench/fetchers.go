package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A job is one mailbox to be fetched and emptied by a peer.
type job struct {
	provider netip.AddrPort // in the clear
	user     string
	dir      string // for the peer's files; mails go to the maildir below it
}

func (j job) maildir() string { return filepath.Join(j.dir, "maildir") }

// took is how long a fetch lasted, and the CPU time of who fetched.
type took struct{ time, cpu time.Duration }

// fetchPeers are the programs that people fetch mail with. Each writes a file a mail, and syncs it before it goes on: mpop the
// file (fsync), getmail the file (fsync) before it renames it, and fetchmail, which delivers through another program,
// by one that costs as little as such a program can: dd, which syncs the file. None syncs the folder.
var fetchPeers = map[string]func(context.Context, job) (took, error){
	"mpop":      fetchByMpop,
	"fetchmail": fetchByFetchmail,
	"getmail":   fetchByGetmail,
}

func fetchByMpop(ctx context.Context, j job) (took, error) {
	return j.fetch(ctx, "mpoprc", fmt.Sprintf(`
account default
host %s
port %d
tls off
auth user
user %s
password "%s"
delivery maildir %s
uidls_file %s
received_header off
`, j.provider.Addr(), j.provider.Port(), j.user, retrPassword, j.maildir(), filepath.Join(j.dir, "uidls")),
		"mpop", "--quiet", "--file="+filepath.Join(j.dir, "mpoprc"))
}

func fetchByFetchmail(ctx context.Context, j job) (took, error) {
	return j.fetch(ctx, "fetchmailrc", fmt.Sprintf(`
set invisible
set idfile %q
poll %s protocol pop3 port %d auth password
  user %q password %q fetchall no rewrite
  sslproto ""
  mda "exec dd status=none conv=fsync of=%s/new/$$"
`, filepath.Join(j.dir, "ids"), j.provider.Addr(), j.provider.Port(), j.user, retrPassword, j.maildir()),
		"fetchmail", "--fetchmailrc", filepath.Join(j.dir, "fetchmailrc"), "--silent", "--nodetach", "--nosyslog", "--pidfile", filepath.Join(j.dir, "pid"))
}

func fetchByGetmail(ctx context.Context, j job) (took, error) {
	command := []string{"getmail", "--getmaildir", j.dir, "--rcfile", filepath.Join(j.dir, "getmailrc")}
	if os.Geteuid() == 0 { // getmail keeps no mail as root
		command = append([]string{"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"}, command...)
	}
	return j.fetch(ctx, "getmailrc", fmt.Sprintf(`
[retriever]
type = SimplePOP3Retriever
server = %s
port = %d
username = %s
password = %s

[destination]
type = Maildir
path = %s/

[options]
delete = true
delivered_to = false
received = false
verbose = 0
`, j.provider.Addr(), j.provider.Port(), j.user, retrPassword, j.maildir()), command...)
}

// fetch runs a peer with its settings in a file, from its start to its end.
func (j job) fetch(ctx context.Context, file, settings string, command ...string) (took, error) {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(j.maildir(), sub), 0o700); err != nil {
			return took{}, err
		}
	}
	if err := os.WriteFile(filepath.Join(j.dir, file), []byte(settings), 0o600); err != nil {
		return took{}, err
	}
	if command[0] == "setpriv" {
		if text, err := exec.Command("chown", "-R", "nobody:nogroup", j.dir).CombinedOutput(); err != nil {
			return took{}, fmt.Errorf("chown: %w: %s", err, text)
		}
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = j.dir
	cmd.Env = append(os.Environ(), "HOME="+j.dir)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return took{}, fmt.Errorf("%s: %w: %s", command[0], err, &output)
	}
	return took{time.Since(began), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// fetched gives how many mails the peer has delivered, and removes them.
func (j job) fetched() (int, error) {
	files, err := os.ReadDir(filepath.Join(j.maildir(), "new"))
	if err != nil {
		return 0, err
	}
	return len(files), os.RemoveAll(j.dir)
}
