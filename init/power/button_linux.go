// Package power hears the machine's power button.
package power

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Button gives a word when the power button is pressed. The kernel says so over generic netlink, in the group of the
// family acpi_event; its module "button" may be loaded later.
func Button(ctx context.Context) (<-chan struct{}, error) {
	family, err := netlink.GenlFamilyGet("acpi_event")
	if err != nil {
		return nil, fmt.Errorf("ask for events of ACPI: %w", err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open the events of ACPI: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "acpi")
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	for _, group := range family.Groups {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group.ID))
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the events of ACPI: %w", err), socket.Close())
	}
	context.AfterFunc(ctx, func() { socket.Close() })
	pressed := make(chan struct{}, 1)
	go func() {
		defer socket.Close()
		buf := make([]byte, 4096)
		for {
			n, err := socket.Read(buf)
			switch {
			case errors.Is(err, unix.ENOBUFS): // a lost event; it can be pressed again
			case err != nil:
				return
			case isPowerButton(buf[:n]):
				select {
				case pressed <- struct{}{}:
				default:
				}
			}
		}
	}()
	return pressed, nil
}

// isPowerButton reads a message: netlink's header (16 octets), generic netlink's (4), an attribute's (4), and
// struct acpi_genl_event, which begins with the device's class in 20 octets.
func isPowerButton(message []byte) bool {
	const headers, class = 16 + 4 + 4, 20
	if len(message) < headers+class || int(binary.NativeEndian.Uint32(message)) > len(message) {
		return false
	}
	name, _, _ := bytes.Cut(message[headers:headers+class], []byte{0})
	return string(name) == "button/power"
}
