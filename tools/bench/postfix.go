package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// postfix is a Postfix of this program's own. It needs root: its processes are of several users.
type postfix struct {
	dir     string
	address string
	group   int
}

// startPostfix starts one that takes mail from loopback, with what Debian sets but for its limits on clients. It keeps all in
// its queue "hold" where relay is none, else sends it there.
func startPostfix(ctx context.Context, dir string, relay netip.AddrPort) (p *postfix, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a Postfix to compare with needs root")
	}
	for _, sub := range []string{"", "etc", "queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		return nil, err
	}
	p = &postfix{dir: dir, address: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	where := "smtpd_recipient_restrictions = check_client_access static:HOLD, permit_mynetworks, reject\n"
	if relay.IsValid() {
		where = fmt.Sprintf("relayhost = [%s]:%d\n", relay.Addr(), relay.Port())
	}
	_, port, _ := net.SplitHostPort(p.address)
	for name, text := range map[string]string{
		"main.cf": fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
myhostname = postfix.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
in_flow_delay = 0
default_process_limit = 200
%[2]s`, dir, where),
		"master.cf": port + ` inet n - n - - smtpd -o smtpd_client_connection_count_limit=0
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if err := command(ctx, "chown", "postfix", filepath.Join(dir, "data")); err != nil {
		return nil, err
	}
	if err := p.command(ctx, "start"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	pid, err := os.ReadFile(filepath.Join(dir, "queue", "pid", "master.pid"))
	if err != nil {
		return nil, err
	}
	if p.group, err = strconv.Atoi(strings.TrimSpace(string(pid))); err != nil {
		return nil, err
	}
	return p, nil
}

func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %q: %w: %s", name, args, err, out)
	}
	return nil
}

func (p *postfix) command(ctx context.Context, what string) error {
	return command(ctx, "postfix", "-c", filepath.Join(p.dir, "etc"), what)
}

// stop returns when all its processes have ended.
func (p *postfix) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.command(ctx, "stop")
}

// processes are its master, and all that it started.
func (p *postfix) processes() ([]processStat, error) {
	return processes(func(s processStat) bool { return s.group == p.group })
}

// held counts the mails in its queue "hold".
func (p *postfix) held() (int, error) {
	files, err := os.ReadDir(filepath.Join(p.dir, "queue", "hold"))
	return len(files), err
}
