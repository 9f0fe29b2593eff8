// Package fetcher is the service that collects mail from the providers: it logs in with the kept login data,
// hands every mail to the store, and deletes at the provider what the store has answered for. It also tries the
// logins that the store wants to have verified.
//
// What is due when is in schedule, the session of one fetch in transfer, the dialogue with providers and the rule
// which of them are allowed in provider.
package fetcher

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"

	"github.com/coreos/go-systemd/v22/daemon"
)

// patience is how long sessions under way have for their QUIT once the service is to stop.
const patience = 9 * time.Second

// Main runs the service until SIGTERM. args begins with the service's name.
func Main(args []string) int {
	flags := flag.NewFlagSet("fetcher", flag.ContinueOnError)
	store := flags.String("store", "", "`path` of the store's socket for the fetcher")
	var level slog.Level
	flags.TextVar(&level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn, error")
	if err := flags.Parse(args[min(1, len(args)):]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *store == "" || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: fetcher --store PATH [--log-level LEVEL]")
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With("service", "fetcher")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	client := contract.NewClient(*store, contract.NewFetcherClient)
	defer client.Close()
	s := newService(client, provider.Dialer{}, log)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("watchdog not understood", "err", err)
	}
	s.run(ctx, config{
		patience: patience, every: every / 2,
		ready: func() { notify(log, daemon.SdNotifyReady) },
		alive: func() { notify(log, daemon.SdNotifyWatchdog) },
		leave: func() { notify(log, daemon.SdNotifyStopping) },
	})
	return 0
}

// notify tells the supervisor, where there is one.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("supervisor not told", "state", state, "err", err)
	}
}
