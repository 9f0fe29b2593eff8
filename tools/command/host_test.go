package command

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"postroom/services/console/api"
)

// serveConsole starts the console beside a box, for the client key in config, and gives its address.
func (b *testBox) serveConsole(t *testing.T, config string) string {
	t.Helper()
	key, err := api.LoadOrMakeKey(filepath.Join(config, "postroom", "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := api.PublicPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	keys := hosted(b.data).clientKeys()
	if err := os.WriteFile(keys, public, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the service has it
	passed, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	service := exec.Command("/proc/self/exe", "--store", b.socket("console"), "--client-keys", keys)
	service.Env = append(os.Environ(), runAs+"=console", "LISTEN_FDS=1", "LISTEN_FDNAMES=console.listen")
	service.ExtraFiles = []*os.File{passed}
	var log bytes.Buffer
	service.Stderr = &log
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(service.Process.Kill(), ignoreExit(service.Wait())); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return l.Addr().String()
}

func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// postroomFor runs the command as a program of its own, for a user with this configuration folder.
func postroomFor(t *testing.T, config string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), runAs+"=postroom", "XDG_CONFIG_HOME="+config, "POSTROOM_DATA=/nowhere")
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := ignoreExit(cmd.Run()); err != nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errors.String()}
}

func TestOverTheNetwork(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const name = "anna@pop3.example.org"
	id := b.enrol(t, name)
	b.put(t, id, []byte("Subject: x\r\n\r\ntext\r\n"))
	config := t.TempDir()
	host := b.serveConsole(t, config)

	r := postroomFor(t, config, "--host", host, "status", "--json")
	if r.status != 0 || r.out != b.on(t, "status", "--json") || !regexp.MustCompile(`^postroom: `+host+` is met for the first time; its certificate's SHA-256 is [0-9a-f]{64}\n$`).MatchString(r.err) {
		t.Errorf("status: %+v", r)
	}
	for _, args := range [][]string{
		{"status"}, {"account", "list"}, {"account", "show", name}, {"account", "show", name, "--json"}, {"settings", "show"},
		{"account", "pause", name}, {"account", "resume", name}, {"account", "fetch", name}, {"store", "check"},
	} {
		r := postroomFor(t, config, append(args, "--host", host)...)
		if r.status != 0 || r.err != "" || r.out != b.on(t, args...) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	r = postroomFor(t, config, "--host", host, "account", "export", name)
	if r.status != 0 || r.out != postroom(t, b.data, "account", "export", name).out || !strings.HasSuffix(r.out, "Subject: x\n\ntext\n\n") {
		t.Errorf("export: %+v", r)
	}
	r = postroomFor(t, config, "--host", host, "settings", "apply", writeSettings(t, badSettings))
	if r.status != 1 || !strings.Contains(r.err, ":7: ") {
		t.Errorf("a bad file: %+v", r)
	}
	r = postroomFor(t, config, "--host", host, "account", "show", "ben@pop3.example.org")
	if r.status != 1 || !strings.Contains(r.err, `no account "ben@pop3.example.org"`) {
		t.Errorf("an unknown account: %+v", r)
	}

	// Another user's key is not known to the box.
	r = postroomFor(t, t.TempDir(), "--host", host, "status")
	if r.status != 1 || !strings.Contains(r.err, "client-keys.pem") {
		t.Errorf("another key: %+v", r)
	}
	// Another box in its place is not spoken to.
	known := filepath.Join(config, "postroom", "known-hosts")
	if err := os.WriteFile(known, []byte(host+" sha256:"+strings.Repeat("0f", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = postroomFor(t, config, "--host", host, "status")
	if r.status != 1 || !strings.Contains(r.err, "somebody may be in between") {
		t.Errorf("another box: %+v", r)
	}
}

func TestNoBoxInTheNetwork(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	r := postroomFor(t, t.TempDir(), "--host", host, "status")
	if r.status != 1 || !strings.HasPrefix(r.err, "postroom: no box answers at https://"+host+" (") || !strings.Contains(r.err, "connection refused") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("got %+v", r)
	}
}
