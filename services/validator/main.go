package validator

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"postroom/services/contract"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Main is the service: it works until SIGTERM, and gives the exit status. args begins with the service's name.
func Main(args []string) int {
	var c config
	flags := flag.NewFlagSet("validator", flag.ContinueOnError)
	flags.StringVar(&c.store, "store", "", "`path` of the store's socket for validator")
	flags.StringVar(&c.bodies, "bodies", "", "`folder` of the store's segments")
	flags.TextVar(&c.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn, error")
	if err := flags.Parse(args[min(1, len(args)):]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if c.store == "" || c.bodies == "" || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: validator --store PATH --bodies FOLDER [--log-level LEVEL]")
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.level})).With("service", "validator")

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, c, log); err != nil {
		log.Error("service ended", "err", err)
		return 1
	}
	return 0
}

// config is what the command line says.
type config struct {
	store  string
	bodies string
	level  slog.Level
}

func run(ctx context.Context, c config, log *slog.Logger) error {
	bodies, err := os.OpenRoot(c.bodies)
	if err != nil {
		return fmt.Errorf("open the folder of bodies: %w", err)
	}
	defer bodies.Close()
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the supervisor's watchdog interval: %w", err)
	}
	client := contract.NewClient(c.store, contract.NewValidatorClient)
	defer client.Close()

	v := newValidator(client, bodies, watchdog, log)
	v.tell = func(word string) {
		if _, err := daemon.SdNotify(false, word); err != nil {
			log.Warn("supervisor not told", "word", word, "err", err)
		}
	}
	v.serve(ctx)
	return nil
}
