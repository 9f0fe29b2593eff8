package pop3

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
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
	socketPlain = "pop3.listen"     // STLS is offered
	socketTLS   = "pop3.listen_tls" // TLS from the first octet (RFC 8314 §3)
)

// Main is the service: it serves until SIGTERM, and gives the exit status.
func Main(args []string) int {
	var c config
	flags := flag.NewFlagSet("pop3", flag.ContinueOnError)
	flags.StringVar(&c.store, "store", "", "`path` of the store's socket for pop3")
	flags.StringVar(&c.bodies, "bodies", "", "`folder` of the store's segments")
	flags.TextVar(&c.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn, error")
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.level})).With("service", "pop3")

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
	sockets, err := activation.ListenersWithNames()
	if err != nil {
		return fmt.Errorf("take over the listening sockets: %w", err)
	}
	if len(sockets[socketPlain])+len(sockets[socketTLS]) == 0 {
		log.Warn("no listening socket was passed", "names", []string{socketPlain, socketTLS})
	}
	bodies, err := os.OpenRoot(c.bodies)
	if err != nil {
		return fmt.Errorf("open the folder of bodies: %w", err)
	}
	defer bodies.Close()
	client := contract.NewClient(c.store, contract.NewPop3Client)
	defer client.Close()

	s := newServer(remoteStore{client}, bodies, log)
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
	// The life line goes on while sessions do.
	alive, die := context.WithCancel(context.WithoutCancel(ctx))
	defer die()
	lives := contract.Serve(alive, client, s.id, s.locks.open)
	for _, come := range []<-chan struct{}{ready, lives} {
		select {
		case <-come:
		case <-ctx.Done():
			return nil
		}
	}
	s.tell(daemon.SdNotifyReady)
	defer context.AfterFunc(ctx, func() { s.tell(stopping) })()
	s.serve(ctx, sockets[socketPlain], sockets[socketTLS])
	return nil
}

// stopping asks the supervisor for the time that sessions have, and what they leave to the background.
var stopping = fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, (drain + dropWait).Microseconds())

// feedWatchdog speaks up as often as the supervisor wants it to, as long as no session holds the locks for
// good.
func (s *server) feedWatchdog(ctx context.Context) {
	most, err := daemon.SdWatchdogEnabled(false)
	if err != nil || most <= 0 {
		return
	}
	beat := time.NewTicker(most / 3)
	defer beat.Stop()
	for {
		s.locks.len()
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
