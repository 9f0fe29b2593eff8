package pid1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"postroom/init/disk"
	"postroom/init/manager"
	"postroom/init/supervisor"
	"postroom/init/watchdog"

	"golang.org/x/sys/unix"
)

// slowBoot is when the end of the boot is told of even if not all services are ready.
const slowBoot = 30 * time.Second

// finishBoot does what comes after the boot, and what mail doesn't wait for.
func (a *appliance) finishBoot(ctx context.Context, layout disk.Layout) {
	end := a.step("POP3 accepts")
	accepting := make(chan time.Duration, 1)
	first := make(chan []manager.Listening, 1)
	go func() {
		select {
		case list := <-a.listening:
			first <- list
			if err := awaitGreeting(ctx, list); err != nil {
				a.log.Warn("time until POP3 accepts is not known", "err", err)
				return
			}
			end()
			accepting <- time.Since(a.start)
		case <-ctx.Done():
		}
	}()
	select {
	case <-ctx.Done():
		return
	case <-a.ready:
	case <-time.After(slowBoot):
		a.log.Warn("not all services are ready yet")
	}
	var took time.Duration
	select {
	case took = <-accepting:
	case <-time.After(time.Second):
	}
	a.printBoot(took)
	// From here on the machine is looked after while it serves.
	a.background.Go(func() { a.showStatus(ctx, first) })
	a.background.Go(func() { a.keepWatchdog(ctx) })
	if a.loader != nil {
		if err := a.loader.Load(a.board.Later.Always...); err != nil {
			a.log.Warn("module is not loaded", "err", err)
		}
		a.loader.Drive(a.board.Later.Driver...)
	}
	a.grow(layout.Data)
}

// printBoot prints where the time went.
func (a *appliance) printBoot(took time.Duration) {
	var text bytes.Buffer
	total := time.Since(a.start)
	fmt.Fprintf(&text, "\nPostroom %s for board %s: where the time of this boot went\n", a.version, a.board.Name)
	a.timeline.Print(&text, total)
	if kernel, err := kernelTime(); err == nil {
		own := uptime() - total - kernel // of this program, before it looked at the clock
		fmt.Fprintf(&text, "kernel %d ms, from PID 1 to POP3 accepting %d ms", kernel.Milliseconds(), (took + own).Milliseconds())
		if took > 0 {
			fmt.Fprintf(&text, " (%.2f of the kernel's)", float64(took+own)/float64(kernel))
		}
		fmt.Fprintf(&text, ", all services ready %d ms\n", (total + own).Milliseconds())
	}
	text.WriteTo(a.consoles)
}

// awaitGreeting waits until POP3 greets.
func awaitGreeting(ctx context.Context, list []manager.Listening) error {
	for _, l := range list {
		if l.Service != "pop3" {
			continue
		}
		conn, err := dial(ctx, l)
		if err != nil {
			return err
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, "+OK") {
			return fmt.Errorf("greeting %q", line)
		}
		fmt.Fprint(conn, "QUIT\r\n") // the answer is of no interest
		return nil
	}
	return errors.New("POP3 listens nowhere")
}

func dial(ctx context.Context, l manager.Listening) (net.Conn, error) {
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	var d net.Dialer
	if l.TLS {
		// It is this machine: nothing is asked or believed of it but that it greets.
		return (&tls.Dialer{NetDialer: &d, Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
}

// uptime is the time since the kernel began to count.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// kernelTime is when the kernel started this program, on its own clock: its message says so.
func kernelTime() (time.Duration, error) {
	const message = "Run /init as init process"
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	c, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	record := make([]byte, 8<<10) // a read gives one record, "priority,sequence,microseconds,flags;text"
	for {
		var n int
		var failed error
		if err := c.Control(func(fd uintptr) { n, failed = unix.Read(int(fd), record) }); err != nil {
			return 0, err
		}
		if errors.Is(failed, unix.EPIPE) { // older ones were overwritten meanwhile
			continue
		}
		if failed != nil {
			return 0, fmt.Errorf("kernel's message %q: %w", message, failed)
		}
		head, text, _ := strings.Cut(string(record[:n]), ";")
		if fields := strings.Split(head, ","); strings.HasPrefix(text, message) && len(fields) > 2 {
			micros, err := strconv.ParseInt(fields[2], 10, 64)
			return time.Duration(micros) * time.Microsecond, err
		}
	}
}

// grow gives the data partition the whole disk.
func (a *appliance) grow(p disk.Partition) {
	before, after, err := disk.Grow(p, dataPoint)
	switch {
	case err != nil:
		a.log.Error("data partition does not grow", "err", err)
	case after > before:
		a.log.Info("data partition has grown", "before_mib", before>>20, "after_mib", after>>20)
	}
}

// keepWatchdog arms the machine's watchdog, or the kernel's own.
func (a *appliance) keepWatchdog(ctx context.Context) {
	if !isThere(watchdogFile) {
		a.load(a.board.Watchdog)
	}
	d, err := watchdog.Open(watchdogFile)
	if err != nil {
		a.log.Warn("no watchdog looks after this machine", "err", err)
		return
	}
	a.watchdog.Store(d)
	d.Run(ctx, a.alive, a.log)
}

// supervisedWithin is how old the last word of the supervisor's loop may be; the manager asks it every 15 s.
const supervisedWithin = time.Minute

// supervisorSpoke notes that the supervisor's loop answered.
func (a *appliance) supervisorSpoke([]supervisor.ServiceStatus) {
	now := time.Now()
	a.supervised.Store(&now)
}

// alive says whether the services are looked after: the supervisor's loop has answered lately.
func (a *appliance) alive(context.Context) error {
	last := a.supervised.Load()
	if last == nil {
		return errors.New("the supervisor has not spoken yet")
	}
	if age := time.Since(*last); age > supervisedWithin {
		return fmt.Errorf("the supervisor has been silent for %v", age.Round(time.Second))
	}
	return nil
}
