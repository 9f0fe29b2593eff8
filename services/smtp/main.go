package smtp

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Names of the sockets that are passed to the service (LISTEN_FDNAMES); one with several addresses comes
// several times.
const (
	socketPlain      = "smtp.listen"            // STARTTLS is offered
	socketSubmission = "smtp.listen_submission" // the same (RFC 6409)
	socketTLS        = "smtp.listen_tls"        // TLS from the first octet (RFC 8314 §3)
)

// Main is the service: it serves until SIGTERM, and gives the exit status.
func Main(args []string) int {
	var c config
	flags := flag.NewFlagSet("smtp", flag.ContinueOnError)
	flags.StringVar(&c.store, "store", "", "`path` of the store's socket for smtp")
	flags.TextVar(&c.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn, error")
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.level})).With("service", "smtp")

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
	store string
	level slog.Level
}

func run(ctx context.Context, c config, log *slog.Logger) error {
	sockets, err := activation.ListenersWithNames()
	if err != nil {
		return fmt.Errorf("take over the listening sockets: %w", err)
	}
	plain := slices.Concat(sockets[socketPlain], sockets[socketSubmission])
	client := contract.NewClient(c.store, contract.NewSmtpClient)
	defer client.Close()

	s := newServer(newRemoteStore(client), log)
	var running sync.WaitGroup
	defer running.Wait()
	ready := make(chan struct{})
	running.Go(func() {
		var once sync.Once
		contract.FollowSettings(ctx, client, func(in *settings.Settings) {
			s.apply(ctx, in)
			once.Do(func() { close(ready) })
		})
	})
	running.Go(func() { s.feedWatchdog(ctx) })
	select {
	case <-ready:
	case <-ctx.Done():
		return nil
	}
	s.tell(daemon.SdNotifyReady)
	defer context.AfterFunc(ctx, func() { s.tell(stopping) })()
	s.serve(ctx, plain, sockets[socketTLS])
	return nil
}

// stopping asks the supervisor for the time that sessions have.
var stopping = fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, (drain + finishPause).Microseconds())

// feedWatchdog speaks up as often as the supervisor wants it to, as long as no session holds the places for good.
func (s *server) feedWatchdog(ctx context.Context) {
	most, err := daemon.SdWatchdogEnabled(false)
	if err != nil || most <= 0 {
		return
	}
	beat := time.NewTicker(most / 3)
	defer beat.Stop()
	for {
		s.places.Len()
		s.tell(daemon.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}

// tell sends a word to the supervisor, if there is one.
func (s *server) tell(word string) {
	if _, err := daemon.SdNotify(false, word); err != nil {
		s.log.Warn("supervisor not told", "word", word, "err", err)
	}
}
