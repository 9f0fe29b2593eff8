package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"postroom/services/console/api"
	"postroom/services/contract"
	"postroom/tools/guest"
	"postroom/tools/provider"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

func newDemo() *cobra.Command {
	var image string
	var memory int
	cmd := &cobra.Command{
		Use:   "demo --image FILE",
		Short: "Show a mail's seven steps, with an appliance in QEMU and a real provider",
		Long: `Show a mail's seven steps: boot the appliance in QEMU, start a real Dovecot as the provider on loopback, and poll
with curl, twice. The appliance reaches nothing but that provider. Everything is thrown away at the end. The image
must have been made with this user's client key, as make demo does.`,
		Example: `  make demo
  postroom demo --image build/qemu.img --memory 192`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if image == "" {
				return usagef("which image? give --image FILE; make demo builds one")
			}
			return runDemo(cmd.Context(), image, memory, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&image, "image", "", "disk image of board qemu")
	cmd.Flags().IntVar(&memory, "memory", 512, "memory of the appliance, MiB")
	return cmd
}

const (
	demoLogin    = "myaccount@gmx.de"
	demoName     = demoLogin + "@pop3.gmx.de"
	demoPassword = "demo"
	demoAtGuest  = "10.0.2.100:995" // the provider's address, as the appliance sees it
)

// demo is one run of it.
type demo struct {
	out      io.Writer
	began    time.Time
	provider *provider.Provider
	guest    *guest.Guest
	box      *api.Client
	folder   string
	pop3     string // host:port here
}

func runDemo(ctx context.Context, image string, memory int, out io.Writer) (err error) {
	d := &demo{out: out, began: time.Now()}
	if d.folder, err = os.MkdirTemp("", "postroom-demo"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.folder)) }()
	samples := provider.Samples()
	d.say("A provider, a real Dovecot on loopback, gets %d mails for %s.", len(samples), demoLogin)
	if d.provider, err = provider.Start(ctx, provider.Config{Names: []string{"pop3.gmx.de"}}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.provider.Stop()) }()
	var mails [][]byte
	for _, s := range samples {
		fmt.Fprintf(d.out, "      %-12s %9d octets\n", s.Name, len(s.Message))
		mails = append(mails, s.Message)
	}
	if err := errors.Join(d.provider.AddUser(ctx, demoLogin, demoPassword), d.provider.Fill(demoLogin, mails)); err != nil {
		return err
	}
	d.say("The appliance boots in QEMU, with %d MiB of memory and a network that reaches this provider alone.", memory)
	if err := d.boot(ctx, image, memory); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.guest.Close()) }()
	if err := d.configure(ctx); err != nil {
		return fmt.Errorf("%w\nwhat the appliance said last:\n%s", err, last(d.guest.Output()))
	}
	if err := d.steps(ctx, mails); err != nil {
		return fmt.Errorf("%w\nwhat the appliance said last:\n%s", err, last(d.guest.Output()))
	}
	return nil
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%6.1f s  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) boot(ctx context.Context, image string, memory int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	d.pop3 = ports[0]
	d.guest, err = guest.Start(ctx, guest.Config{
		Image: image, MemoryMiB: memory,
		Forward: []guest.Forward{{Host: ports[0], Guest: 995}, {Host: ports[1], Guest: 443}},
		Provide: []guest.Provide{{Address: demoAtGuest, Command: self + " pipe " + d.provider.AddrTLS().String()}},
	})
	if err != nil {
		return err
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return err
	}
	key, err := api.LoadOrMakeKey(filepath.Join(folder, "postroom", "client.key"))
	if err != nil {
		return err
	}
	known := &api.KnownHosts{Path: filepath.Join(d.folder, "known-hosts"), Tell: func(string, string) error { return nil }}
	d.box, err = api.Dial(ports[1], key, known.Pin(ports[1]))
	return err
}

// call asks the appliance, again while it boots.
func (d *demo) call(ctx context.Context, method string, request, answer proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		err := d.box.Call(ctx, method, request, answer)
		if err == nil || errors.Is(err, contract.ErrForbidden) || errors.Is(err, contract.ErrInvalid) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-d.guest.Done():
			return errors.Join(guest.ErrEnded, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// configure tells the appliance how to reach the demo's provider, and keeps its certificate for the client.
func (d *demo) configure(ctx context.Context) error {
	text := fmt.Sprintf("[[provider]]\nhost = \"pop3.gmx.de\"\naddress = %q\nca = '''\n%s'''\nmin_interval = \"0s\"\n", demoAtGuest, d.provider.CA())
	var applied contract.ApplySettingsResponse
	err := d.call(ctx, "ApplySettings", &contract.ApplySettingsRequest{File: "demo.toml", Text: []byte(text)}, &applied)
	if err != nil {
		return err
	}
	if applied.Problem != "" {
		return errors.New(applied.Problem)
	}
	var fingerprint contract.GetFingerprintResponse
	if err := d.call(ctx, "GetFingerprint", &contract.GetFingerprintRequest{}, &fingerprint); err != nil {
		return err
	}
	d.say("It is up. It knows nobody yet; its certificate's SHA-256 is %s….", fingerprint.Sha256[:16])
	return os.WriteFile(filepath.Join(d.folder, "box.pem"), fingerprint.CertificatePem, 0o600)
}

// steps are the seven of a mail's way.
func (d *demo) steps(ctx context.Context, mails [][]byte) error {
	fmt.Fprintln(d.out)
	d.say("1. A mail client (curl) starts a POP3 poll as %s.", demoName)
	got, err := d.poll(ctx)
	if err != nil {
		return err
	}
	var account contract.ShowAccountResponse
	if err := d.call(ctx, "ShowAccount", &contract.ShowAccountRequest{Name: demoName}, &account); err != nil {
		return err
	}
	d.say("2. The provider accepted the login; the appliance keeps it (user %s).", account.Status.User)
	if len(got) != 0 {
		return fmt.Errorf("the first poll got %d mails", len(got))
	}
	d.say("3. The client got what was in the Out Queue: nothing. That ends the poll.")
	if _, err := d.until(ctx, func(s *contract.GetStatusResponse) bool { return s.Accounts[0].LastFetch != nil }); err != nil {
		return err
	}
	d.say("4. The appliance logs in at the provider with the kept login.")
	if _, err := d.until(ctx, func(*contract.GetStatusResponse) bool {
		left, err := d.provider.Count(demoLogin)
		return err == nil && left == 0
	}); err != nil {
		return err
	}
	d.say("5. All mails are fetched into the In Queue, and deleted at the provider: it holds 0 now.")
	status, err := d.until(ctx, func(s *contract.GetStatusResponse) bool { return s.Accounts[0].Waiting == uint64(len(mails)) })
	if err != nil {
		return err
	}
	d.say("6. The validator has looked through them.")
	d.say("7. They are in the Out Queue:")
	for _, q := range status.Queues {
		fmt.Fprintf(d.out, "      queue %-10s %3d mails %10d octets\n", q.Queue, q.Messages, q.Octets)
	}
	fmt.Fprintln(d.out)
	d.say("The client polls again.")
	if got, err = d.poll(ctx); err != nil {
		return err
	}
	if err := compare(mails, got); err != nil {
		return err
	}
	d.say("It got all %d mails, byte for byte what the provider held, behind the line %q.", len(got), "X-Postroom-Verdict: deliver")
	return nil
}

func (d *demo) until(ctx context.Context, wanted func(*contract.GetStatusResponse) bool) (*contract.GetStatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		var status contract.GetStatusResponse
		if err := d.call(ctx, "GetStatus", &contract.GetStatusRequest{}, &status); err != nil {
			return nil, err
		}
		if len(status.Accounts) == 1 && wanted(&status) {
			return &status, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("it doesn't come to that: %w; status: %v", ctx.Err(), &status)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// poll is one poll by curl: a listing, then every mail of it in one session.
func (d *demo) poll(ctx context.Context) ([][]byte, error) {
	_, port, _ := strings.Cut(d.pop3, ":")
	url := "pop3s://postroom:" + port + "/"
	login := []string{"--silent", "--show-error", "--cacert", filepath.Join(d.folder, "box.pem"),
		"--resolve", "postroom:" + port + ":127.0.0.1", "--user", demoName + ":" + demoPassword}
	list, err := curl(ctx, append(login, url)...)
	if err != nil {
		return nil, err
	}
	args, names := login, []string(nil)
	for line := range strings.Lines(string(list)) {
		number, _, ok := strings.Cut(line, " ")
		if _, err := strconv.Atoi(number); err != nil || !ok {
			continue // curl ends an empty listing with an empty line
		}
		name := filepath.Join(d.folder, "mail-"+number)
		args, names = append(args, "--output", name, url+number), append(names, name)
	}
	if len(names) == 0 {
		return nil, nil
	}
	if _, err := curl(ctx, args...); err != nil {
		return nil, err
	}
	var mails [][]byte
	for _, name := range names {
		m, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		mails = append(mails, m)
	}
	return mails, nil
}

func curl(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "curl", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("curl: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out, nil
}

func compare(want, got [][]byte) error {
	missing := make(map[string]int)
	for _, m := range want {
		missing["X-Postroom-Verdict: deliver\r\n"+string(m)]++
	}
	for _, m := range got {
		if missing[string(m)]--; missing[string(m)] < 0 {
			return fmt.Errorf("a mail of %d octets came that the provider didn't hold", len(m))
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d mails came, and the provider held %d", len(got), len(want))
	}
	return nil
}

// last gives the end of what a guest said.
func last(output string) string {
	lines := strings.Split(output, "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
