//go:build root

package submission

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"postroom/tests/hosted"

	"github.com/vishvananda/netlink"
)

const inside = "POSTROOM_TEST_NAMESPACE"

// Trust by address holds for what the kernel says of a connection: in a network namespace of its own, clients have any address.
func TestTrustByAddress(t *testing.T) {
	if os.Getenv(inside) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestTrustByAddress$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestTrustByAddress") {
			t.Errorf("in its namespace: %v\n%s", err, out)
		}
		return
	}
	clients := []struct {
		address string
		trusted bool
	}{
		{"192.0.2.7", true}, {"192.0.2.8", false}, {"198.51.100.1", true}, {"198.51.100.127", true}, {"198.51.100.128", false},
		{"203.0.113.7", false}, {"127.0.0.1", false},
		{"2001:db8::7", true}, {"2001:db8:0:1::7", false}, {"fd00::7", false}, {"::1", false},
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"192.0.2.1", "2001:db8::1"} {
		addAddress(t, lo, address)
	}
	for _, c := range clients {
		if ip := net.ParseIP(c.address); !ip.IsLoopback() {
			addAddress(t, lo, c.address)
		}
	}
	box := hosted.Start(t, strings.Replace(hosted.Settings(hosted.Provider(t)), "[smtp]\nlisten = [\"127.0.0.1:0\"]", "[smtp]\nlisten = [\":0\"]", 1)+`
[[trusted_network]]
name = "one host"
cidr = "192.0.2.7/32"
[[trusted_network]]
name = "half a network"
cidr = "198.51.100.0/25"
[[trusted_network]]
name = "a network of IPv6"
cidr = "2001:db8::/64"
`)
	port := box.Addr("smtp.listen").Port()
	for _, c := range clients {
		to := "192.0.2.1"
		if strings.Contains(c.address, ":") {
			to = "2001:db8::1"
		}
		got := rcpt(t, c.address, net.JoinHostPort(to, fmt.Sprint(port)))
		want := "250 2.1.5 "
		if !c.trusted {
			want = fmt.Sprintf("550 5.7.1 <b@example.com>: %s is in no trusted network (setting trusted_network)", c.address)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("from %s: got %q, want %q", c.address, got, want)
		}
	}
}

func addAddress(t *testing.T, link netlink.Link, address string) {
	t.Helper()
	bits := 32
	if strings.Contains(address, ":") {
		bits = 128
	}
	ip := &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(bits, bits)}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ip, Flags: syscall.IFA_F_NODAD}); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
}

// rcpt gives the reply to RCPT for a client at an address.
func rcpt(t *testing.T, from, to string) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(context.Background(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "HELO pc\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nQUIT\r\n")
	in := bufio.NewScanner(c)
	for range 4 { // greeting, HELO, MAIL
		if !in.Scan() {
			t.Fatalf("from %s: %v", from, in.Err())
		}
	}
	return in.Text()
}
