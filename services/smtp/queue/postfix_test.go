//go:build root

package queue

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/smtp/internal/fakestore"
	"postroom/services/smtp/internal/host"
)

// postfix runs a Postfix of the test's own at an address, and gives the folder of the mails that it takes.
func postfix(t *testing.T, address string, ends time.Time, names ...string) (port uint16, mails string) {
	t.Helper()
	l, err := net.Listen("tcp", address+":0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	port = uint16(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	dir, err := os.MkdirTemp("/var/tmp", "postfix") // its users have to reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config, _ := host.Certificate(t, ends, names...)
	key, err := x509.MarshalPKCS8PrivateKey(config.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]})...)
	for _, sub := range []string{"etc", "queue", "data", "mails"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must := func(cmd *exec.Cmd) {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", cmd, err, out)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	must(exec.Command("chown", "postfix", filepath.Join(dir, "data")))
	must(exec.Command("chown", "nobody", filepath.Join(dir, "mails")))
	files := map[string]string{
		"main.cf": fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = /var/log/postroom-test-%[2]d.log
maillog_file_prefixes = /var
myhostname = postfix.example
inet_interfaces = %[3]s
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = postfix.example
virtual_mailbox_base = %[1]s/mails
virtual_mailbox_maps = inline:{ you@postfix.example=box/, ü@postfix.example=box/ }
virtual_minimum_uid = 1
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_security_level = may
smtpd_tls_chain_files = %[1]s/etc/chain.pem
smtputf8_enable = yes
line_length_limit = 20000
`, dir, port, address),
		"master.cf": fmt.Sprintf(`%d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`, port),
		"chain.pem": string(both),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log := fmt.Sprintf("/var/log/postroom-test-%d.log", port)
	t.Cleanup(func() {
		if text, _ := os.ReadFile(log); t.Failed() {
			t.Logf("%s", text)
		}
		os.Remove(log)
	})
	etc := filepath.Join(dir, "etc")
	must(exec.Command("postfix", "-c", etc, "start"))
	t.Cleanup(func() { must(exec.Command("postfix", "-c", etc, "stop")) })
	for end := time.Now().Add(10 * time.Second); ; {
		nc, err := net.Dial("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
		if err == nil {
			nc.Close()
			return port, filepath.Join(dir, "mails", "box")
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A real Postfix takes what the queue sends by the MX, whatever its certificate, and its refusals are told to the sender.
func TestPostfix(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	for _, certificate := range []struct {
		kind string
		ends time.Time
		name string
	}{{"good", soon, "mx.postfix.example"}, {"expired", time.Now().Add(-time.Hour), "mx.postfix.example"}, {"another's", soon, "other.example"}} {
		t.Run(certificate.kind, func(t *testing.T) {
			const address = "127.0.0.1" // Postfix wants one that an interface has
			port, folder := postfix(t, address, certificate.ends, certificate.name)
			text := "Subject: Gruß\r\nFrom: me@example.org\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@box.example>\r\n\r\n.\r\n..\r\n" + strings.Repeat("grüße ", 100) + "\r\n.x\r\n"
			var ids []uint64
			store := deliverTo(t, port, []string{"postfix.example. MX 10 mx.postfix.example.", "mx.postfix.example. A " + address}, func(store *fakestore.Store) {
				for range 20 {
					ids = append(ids, store.Add("", "192.0.2.77", "me@example.org", text, "you@postfix.example"))
				}
				ids = append(ids, store.Add("", "192.0.2.77", "me@example.org", text, "ü@postfix.example"),
					store.Add("", "192.0.2.77", "me@example.org", text, "you@postfix.example", "nobody@postfix.example"))
			})
			for _, id := range ids {
				for _, r := range store.Mail(id).Recipients {
					want := "DELIVERED"
					if r.Address == "nobody@postfix.example" {
						want = "FAILED"
					}
					if r.State.String() != want {
						t.Errorf("%s: %v: %s", r.Address, r.State, r.Text)
					}
				}
			}
			if n := len(store.Local("me!pop3.example.org")); n != 1 {
				t.Errorf("%d reports", n)
			}
			arrived := func() (list []string) {
				files, _ := filepath.Glob(folder + "/new/*")
				for _, file := range files {
					b, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					list = append(list, string(b))
				}
				return list
			}
			for end := time.Now().Add(20 * time.Second); len(arrived()) < 22 && time.Now().Before(end); {
				time.Sleep(20 * time.Millisecond) // Postfix's own queue has nothing to wait on
			}
			list := arrived()
			if len(list) != 22 {
				t.Fatalf("%d mails arrived of 22", len(list))
			}
			for _, mail := range list {
				if !strings.HasSuffix(mail, string(bytes.ReplaceAll([]byte(text), []byte("\r\n"), []byte("\n")))) {
					t.Errorf("arrived as %q", mail)
				}
				if !strings.Contains(mail, "with ESMTPS id") && !strings.Contains(mail, "with UTF8SMTPS id") {
					t.Errorf("without TLS: %.300q", mail)
				}
			}
		})
	}
}
