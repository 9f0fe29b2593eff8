// Run boots a board's image in QEMU, and says how to connect to it. The disk is kept in build/run as long as the
// image stays the same.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"postroom/tools/guest"
)

const (
	diskSize = 4 << 30 // octets; the data partition grows to it at the first boot
	shutdown = time.Minute
)

// Where the appliance is reached here.
const (
	pop3    = "127.0.0.1:1110"
	pop3TLS = "127.0.0.1:1995"
	smtp    = "127.0.0.1:1587"
	smtpTLS = "127.0.0.1:1465"
	console = "127.0.0.1:8443"
)

var forwards = []guest.Forward{
	{Host: pop3, Guest: 110},
	{Host: pop3TLS, Guest: 995},
	{Host: "127.0.0.1:1025", Guest: 25},
	{Host: smtp, Guest: 587},
	{Host: smtpTLS, Guest: 465},
	{Host: console, Guest: 443},
}

func main() {
	image := flag.String("image", "build/qemu.img", "disk image")
	folder := flag.String("folder", "build/run", "folder of the disk")
	network := flag.String("net", "user", "user: the appliance reaches the network of this machine; restricted: nothing")
	hardware := flag.String("hardware", "", "hardware of the machine: virtio, or pc")
	memory := flag.Int("memory", 512, "MiB")
	flag.Parse()
	if err := run(*image, *folder, *network, *hardware, *memory); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(image, folder, network, hardware string, memory int) error {
	if network != "user" && network != "restricted" {
		return fmt.Errorf("-net %q is neither user nor restricted", network)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	disk, err := keptDisk(image, folder)
	if err != nil {
		return err
	}
	fmt.Printf(`The appliance boots; its screen follows. When it is ready:
  mail clients   POP3 with TLS at %s, with STARTTLS at %s
                 SMTP with TLS at %s, with STARTTLS at %s
                 account name LOGIN@PROVIDER-HOST, password as at the provider
  the command    build/postroom status --host %s
Ctrl-C shuts it down. Its disk is kept: %s
`, pop3TLS, pop3, smtpTLS, smtp, console, disk)
	g, err := guest.Start(ctx, guest.Config{
		Image: image, Disk: disk, DiskSize: diskSize, Folder: folder, Hardware: guest.Hardware(hardware), MemoryMiB: memory,
		Open: network == "user", Forward: forwards, Serial: os.Stdout,
	})
	if err != nil {
		return err
	}
	defer g.Close()
	select {
	case <-g.Done():
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.Background(), shutdown)
		defer cancel()
		if err := g.PowerButton(end); err != nil {
			return err
		}
		select {
		case <-g.Done():
		case <-end.Done():
			return errors.New("the appliance did not shut down: its power was cut")
		}
	}
	return nil
}

// keptDisk gives the disk of the last run, or the name of a new one when the image is another since.
func keptDisk(image, folder string) (string, error) {
	sum, err := digest(image)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	disk := filepath.Join(folder, "disk-"+sum[:12]+".img")
	old, err := filepath.Glob(filepath.Join(folder, "disk-*.img"))
	if err != nil {
		return "", err
	}
	for _, name := range old {
		if name != disk {
			fmt.Printf("The image is new: %s, the disk of the one before, stays as it is; remove it when you like.\n", name)
		}
	}
	return disk, nil
}

func digest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
