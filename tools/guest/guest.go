// Package guest boots a disk image in QEMU, for tests, the demo and make run: with a copy of the disk, so that the
// image stays as it is, and by default with a network that reaches nothing but what is forwarded.
package guest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Hardware is what devices a guest has.
type Hardware string

// The kinds of hardware: for board qemu, and what board pc has drivers for besides.
const (
	Virtio Hardware = ""   // virtio disk and network
	PC     Hardware = "pc" // AHCI disk, e1000e network, a hardware watchdog
)

// Config says what to boot. Image must be set, or Disk name a disk that is there.
type Config struct {
	Image    string // copied to the disk when there is none yet
	Disk     string // the guest's disk, kept; default: a file in Folder
	DiskSize int64  // octets; the disk is made that large when it is made; default: as the image
	// Files are put on the disk's EFI system partition when it is made, by their paths there: settings, client keys.
	Files  map[string][]byte
	Folder string // for disk, firmware variables and sockets, kept; default: a temporary one, removed by Close

	Hardware  Hardware
	MemoryMiB int // default 1024
	KVM       bool

	// The network: address 10.0.2.15 by DHCP, without a router or names unless Open.
	Open    bool
	Forward []Forward
	Provide []Provide

	Serial io.Writer // gets what the guest writes to its serial line; nil: nobody
	Args   []string  // more of QEMU's
}

// Forward lets this machine connect to the guest.
type Forward struct {
	Host  string // address and port here, such as 127.0.0.1:1995
	Guest int    // port
}

// Provide lets the guest connect to a program here: each connection runs Command, which talks on its standard
// input and output.
type Provide struct {
	Address string // in 10.0.2.0/24, and port: 10.0.2.100:995
	Command string // split at spaces, by no shell; no comma in it
}

// A Guest is a running QEMU.
type Guest struct {
	folder string
	remove bool
	serial *serial
	done   chan struct{} // closed when QEMU has ended
	kill   func() error
	err    error // how it ended; read it behind done
}

// ErrEnded is what Wait gives when the guest has ended before.
var ErrEnded = errors.New("the guest has ended")

// Start boots. Close must be called.
func Start(ctx context.Context, c Config) (*Guest, error) {
	g := &Guest{folder: c.Folder, done: make(chan struct{}), serial: newSerial(c.Serial)}
	if g.folder == "" {
		var err error
		if g.folder, err = os.MkdirTemp("", "postroom-guest-"); err != nil {
			return nil, err
		}
		g.remove = true
	}
	if err := g.start(ctx, c); err != nil {
		g.clean()
		return nil, fmt.Errorf("boot %s: %w", cmp.Or(c.Image, c.Disk), err)
	}
	return g, nil
}

func (g *Guest) start(ctx context.Context, c Config) error {
	if err := os.MkdirAll(g.folder, 0o700); err != nil {
		return err
	}
	c.Disk = cmp.Or(c.Disk, filepath.Join(g.folder, "disk.img"))
	if err := prepareDisk(ctx, c); err != nil {
		return err
	}
	firmware, err := findFirmware()
	if err != nil {
		return err
	}
	variables := filepath.Join(g.folder, "variables.fd")
	if err := copyUnlessThere(variables, firmware.variables); err != nil {
		return err
	}
	q := exec.CommandContext(ctx, "qemu-system-x86_64", g.arguments(c, firmware.code, variables)...)
	q.Stdout = g.serial
	q.Stderr = g.serial
	q.WaitDelay = time.Second
	// The guest ends with who started it, even one that is killed: a signal that comes when the thread ends which
	// started QEMU, so that thread must stay. Not by Ctrl-C: the caller may want to end it in order.
	q.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := q.Start()
		started <- err
		if err == nil {
			g.err = q.Wait()
			g.serial.end()
			close(g.done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	g.kill = q.Process.Kill
	return nil
}

// Wait waits until a line of the serial line has the text in it, and gives the line. It looks from the start on.
func (g *Guest) Wait(ctx context.Context, text string) (string, error) {
	line, err := g.serial.wait(ctx, text)
	if err != nil {
		return "", fmt.Errorf("wait for %q on the serial line: %w; it ends with: %s", text, err, g.serial.tail(2000))
	}
	return line, nil
}

// Output is all that came on the serial line so far.
func (g *Guest) Output() string { return g.serial.tail(1 << 30) }

// Done is closed when the guest has ended.
func (g *Guest) Done() <-chan struct{} { return g.done }

// Kill cuts the power, and returns when it is off.
func (g *Guest) Kill() {
	g.kill() // it may have ended
	<-g.done
}

// PowerButton presses it. Done tells when the guest is off.
func (g *Guest) PowerButton(ctx context.Context) error {
	return monitor(ctx, g.monitor(), "system_powerdown")
}

// Close cuts the power unless the guest has ended, and removes the temporary folder.
func (g *Guest) Close() error {
	g.Kill()
	return g.clean()
}

func (g *Guest) clean() error {
	if g.remove {
		return os.RemoveAll(g.folder)
	}
	return nil
}

func (g *Guest) monitor() string { return filepath.Join(g.folder, "monitor.sock") }
