//go:build guest

package guest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postroom/board"
	"postroom/image"
	"postroom/tools/guest"
)

const (
	ready   = "SHA-256 of its certificate" // the last line of the status that ends a boot
	atMost  = 3 * time.Minute
	dataAt  = 129 << 20 // octets, where the image has its data partition
	newSize = 8 << 30
)

// built is the image of board qemu, made once.
var built = sync.OnceValues(func() (string, error) {
	work, err := filepath.Abs("../../build/image")
	if err != nil {
		return "", err
	}
	b, err := board.Named("qemu")
	if err != nil {
		return "", err
	}
	out := filepath.Join(work, "test", "qemu.img")
	_, err = image.Build(context.Background(), image.Options{Board: b, Version: "0.0.0-test", Work: work, Out: out, Log: io.Discard})
	return out, err
})

// disk gives a copy of the image.
func disk(t *testing.T) string {
	t.Helper()
	from, err := built()
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "disk.img")
	if out, err := exec.Command("cp", "--sparse=always", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy the image: %v: %s", err, out)
	}
	return to
}

func boot(t *testing.T, c guest.Config) *guest.Guest {
	t.Helper()
	g, err := guest.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func wait(t *testing.T, g *guest.Guest, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	line, err := g.Wait(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// greeting says what POP3 greets with, over TLS.
func greeting(address string) (string, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 20 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}}
	c, err := d.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return bufio.NewReader(c).ReadString('\n')
}

// check has e2fsck look at all of the data partition of a disk that nobody uses.
func check(t *testing.T, disk string) {
	t.Helper()
	c := exec.Command("e2fsck", "-f", "-n", fmt.Sprintf("%s?offset=%d", disk, dataAt))
	c.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
	c.Path = "/sbin/e2fsck"
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("data partition after all that: %v: %s", err, out)
	}
}

// TestLife is the first boot on a larger disk, a power cut, a boot after that, and an orderly end.
func TestLife(t *testing.T) {
	t.Parallel()
	at := disk(t)
	if err := os.Truncate(at, newSize); err != nil {
		t.Fatal(err)
	}
	c := guest.Config{Disk: at, MemoryMiB: 192, Forward: []guest.Forward{{Host: freePort(t), Guest: 995}}}

	g := boot(t, c)
	first := wait(t, g, ready)
	if line, err := greeting(c.Forward[0].Host); err != nil || !strings.HasPrefix(line, "+OK") {
		t.Errorf("greeting %q, %v", line, err)
	}
	wait(t, g, "data partition has grown")
	g.Kill()

	g = boot(t, c)
	if second := wait(t, g, ready); second != first {
		t.Errorf("after a power cut: %q, want %q as before", second, first)
	}
	if out := g.Output(); !strings.Contains(out, "data partition is checked") || strings.Contains(out, "has grown") {
		t.Errorf("after a power cut the data partition was not checked, or grew again:\n%s", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	// The button's module comes after the status.
	for on := true; on; {
		if err := g.PowerButton(ctx); err != nil {
			break
		}
		select {
		case <-g.Done():
			on = false
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			t.Fatalf("the power button doesn't end it: %v", ctx.Err())
		}
	}
	<-g.Done()
	wait(t, g, "services are stopped")
	check(t, at)

	g = boot(t, c)
	wait(t, g, ready)
	if out := g.Output(); strings.Contains(out, "data partition is checked") {
		t.Errorf("after an orderly end the data partition was not clean:\n%s", out)
	}
}

func TestNothingIsFormatted(t *testing.T) {
	t.Parallel()
	at := disk(t)
	f, err := os.OpenFile(at, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The superblock; this small a file system has a second one only far behind, which e2fsck -p doesn't use.
	garbage := []byte(strings.Repeat("someone's mail ", 1024))
	_, err = f.WriteAt(garbage, dataAt)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	g := boot(t, guest.Config{Disk: at})
	wait(t, g, "This box can't serve")
	wait(t, g, "Nothing was formatted")
	g.Kill()
	left := make([]byte, len(garbage))
	f, err = os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(left, dataAt); err != nil || string(left) != string(garbage) {
		t.Errorf("what was on the partition is there no more: %v", err)
	}
}

func TestSettingsFileOfTheImage(t *testing.T) {
	t.Parallel()
	from, err := built()
	if err != nil {
		t.Fatal(err)
	}
	at := disk(t)
	file := filepath.Join(t.TempDir(), "postroom.toml")
	const text = "[appliance]\nname = \"box\"\n\n[network]\naddress = \"10.0.2.77/24\"\ngateway = \"10.0.2.2\"\n\n[pop3]\nlisten = []\nlisten_tls = [\":4995\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mcopy", "-i", at+"@@1M", file, "::/postroom.toml").CombinedOutput(); err != nil {
		t.Fatalf("put the settings file into a copy of %s: %v: %s", from, err, out)
	}
	c := guest.Config{Disk: at, Forward: []guest.Forward{}}
	g := boot(t, c)
	wait(t, g, "address=10.0.2.77/24 gateway=10.0.2.2")
	wait(t, g, "pop3 (TLS): 10.0.2.77:4995")
	wait(t, g, "name=box")
}
