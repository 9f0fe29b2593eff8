package pid1

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"postroom/init/power"

	"golang.org/x/sys/unix"
)

// An order ends the machine.
type order struct {
	name    string
	command int // of reboot(2)
}

var (
	restart  = order{"restart", unix.LINUX_REBOOT_CMD_RESTART}
	powerOff = order{"power off", unix.LINUX_REBOOT_CMD_POWER_OFF}
)

// bySignal are the orders that processes give, and the kernel for Ctrl-Alt-Del (SIGINT).
var bySignal = map[os.Signal]order{
	syscall.SIGINT: restart, syscall.SIGTERM: restart,
	syscall.SIGUSR1: powerOff, syscall.SIGUSR2: powerOff,
}

const (
	stopPatience    = 45 * time.Second // for the services to end
	journalPatience = 5 * time.Second  // for the log to be written
)

// listenForOrders gives the first order: a signal, or the power button.
func listenForOrders(ctx context.Context, log *slog.Logger) <-chan order {
	// Else the kernel restarts at once.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		log.Warn("Ctrl-Alt-Del restarts at once", "err", err)
	}
	signals := make(chan os.Signal, 1)
	for s := range bySignal {
		signal.Notify(signals, s)
	}
	orders := make(chan order, 1)
	go func() {
		pressed, err := power.Button(ctx)
		if err != nil {
			log.Warn("power button is not noticed", "err", err)
		}
		select {
		case s := <-signals:
			orders <- bySignal[s]
		case <-pressed:
			orders <- powerOff
		case <-ctx.Done():
		}
	}()
	return orders
}

// shutDown ends what is left, leaves the disks clean and ends the machine.
func (a *appliance) shutDown(o order) {
	unix.Kill(-1, unix.SIGKILL) // whatever is still there; not this process
	// What has to be in the log is in it: a console that nobody reads must not keep the machine up.
	closed := make(chan struct{})
	go func() { defer close(closed); a.journal.Close() }()
	select {
	case <-closed:
	case <-time.After(journalPatience):
	}
	unix.Sync()
	for _, point := range []string{dataPoint, bootPoint} {
		if err := unmount(point); err != nil {
			a.say("%v", err)
		}
	}
	unix.Sync()
	if d := a.watchdog.Load(); d != nil && o == powerOff { // until here it was on guard
		if err := d.Disarm(); err != nil {
			a.say("watchdog can't be disarmed: %v", err)
		}
	}
	if err := unix.Reboot(o.command); err != nil {
		a.say("The machine can't %s: %v", o.name, err)
	}
	for { // PID 1 must not end: the kernel panics
		time.Sleep(time.Hour)
	}
}
