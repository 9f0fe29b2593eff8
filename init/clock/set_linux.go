package clock

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// set corrects the system's clock, and the hardware's when that was far off.
func set(offset time.Duration) error {
	if offset.Abs() <= slew {
		// ADJ_OFFSET_SINGLESHOT, adjtime(3): at most half a second, at 0.5 ms/s.
		t := unix.Timex{Modes: 0x8001, Offset: offset.Microseconds()}
		_, err := unix.Adjtimex(&t)
		return err
	}
	now := time.Now().Add(offset)
	tv := unix.NsecToTimeval(now.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		return err
	}
	return setHardware(now)
}

// setHardware sets the clock that goes on while the power is off, if there is one. It keeps UTC.
func setHardware(now time.Time) error {
	f, err := os.OpenFile("/dev/rtc0", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	now = now.UTC()
	t := unix.RTCTime{
		Sec: int32(now.Second()), Min: int32(now.Minute()), Hour: int32(now.Hour()),
		Mday: int32(now.Day()), Mon: int32(now.Month()) - 1, Year: int32(now.Year()) - 1900,
	}
	if err := unix.IoctlSetRTCTime(int(f.Fd()), &t); err != nil {
		return fmt.Errorf("hardware clock: %w", err)
	}
	return nil
}
