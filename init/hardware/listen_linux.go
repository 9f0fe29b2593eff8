package hardware

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Events is the kernel's stream of events.
type Events struct{ socket *os.File }

// Listen opens the stream: what happens from then on is in it.
func Listen() (*Events, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's events: %w", err)
	}
	e := &Events{os.NewFile(uintptr(fd), "uevent")}
	const kernel = 1 // multicast group; 2 is udev's
	// Many devices come at once when a driver is loaded. What is lost all the same is found by looking again.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernel}); err != nil {
		return nil, errors.Join(fmt.Errorf("open the kernel's events: %w", err), e.socket.Close())
	}
	return e, nil
}

// Each calls do for each event, one after the other, until ctx ends. lost is called when the kernel had to drop
// events.
func (e *Events) Each(ctx context.Context, do func(Event), lost func()) error {
	defer context.AfterFunc(ctx, func() { e.socket.Close() })()
	buf := make([]byte, 8<<10) // the kernel's own limit is 2 KiB
	for {
		n, err := e.socket.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			lost()
		case err != nil:
			return fmt.Errorf("read the kernel's events: %w", err)
		default:
			if event, ok := parseEvent(buf[:n]); ok {
				do(event)
			}
		}
	}
}
