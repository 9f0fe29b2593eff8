// Package watchdog keeps the machine's watchdog from biting while what it watches lives.
package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	timeout = 60 // seconds without a sign of life until the machine is reset
	every   = 10 * time.Second
)

// Device is an open watchdog.
type Device struct{ file *os.File }

// Open opens the watchdog at path, which begins to count.
func Open(path string) (*Device, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	// One that can't count for so long counts for as long as it can, which is more than every.
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.WDIOC_SETTIMEOUT, timeout); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return nil, errors.Join(fmt.Errorf("set the watchdog's time: %w", err), f.Close())
	}
	return &Device{f}, nil
}

// Run gives a sign of life whenever alive says that there is life, until ctx ends. When alive doesn't answer, or
// says that there is none, nothing is done, and the machine is reset.
func (d *Device) Run(ctx context.Context, alive func(ctx context.Context) error, log *slog.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		check, cancel := context.WithTimeout(ctx, every)
		err := alive(check)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error("no sign of life for the watchdog", "err", err)
		default:
			if err := d.Sign(); err != nil {
				log.Error("watchdog takes no sign of life", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sign gives one sign of life.
func (d *Device) Sign() error {
	_, err := d.file.Write([]byte{0})
	return err
}

// Disarm ends the counting, for a machine that is to stay off or still.
func (d *Device) Disarm() error {
	_, err := d.file.Write([]byte{'V'}) // the kernel's watchdog-api.rst: magic close
	return errors.Join(err, d.file.Close())
}
