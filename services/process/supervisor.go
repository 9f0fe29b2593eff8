package process

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Words to the supervisor.
const (
	Ready    = daemon.SdNotifyReady
	Stopping = daemon.SdNotifyStopping
	Alive    = daemon.SdNotifyWatchdog
)

// Tell says a word to the supervisor, if there is one.
func Tell(log *slog.Logger, word string) {
	if _, err := daemon.SdNotify(false, word); err != nil {
		log.Warn("supervisor not told", "word", word, "err", err)
	}
}

// Watchdog gives how long the supervisor goes without the word Alive before it kills the service; 0: for ever.
func Watchdog(log *slog.Logger) time.Duration {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("watchdog interval not understood", "err", err)
	}
	return max(interval, 0)
}

// Beat calls alive at once and three times in each interval of the watchdog, until ctx ends. alive says the word, unless the
// service is stuck; not to come back is to be stuck, too.
func Beat(ctx context.Context, interval time.Duration, alive func()) {
	if interval <= 0 {
		return
	}
	beat := time.NewTicker(interval / 3)
	defer beat.Stop()
	for {
		alive()
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}
