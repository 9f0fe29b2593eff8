package console

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
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

// socket is the name of the sockets that are passed to the service (LISTEN_FDNAMES); with several addresses
// it comes several times.
const socket = "console.listen"

// Main is the service: it serves until SIGTERM, and gives the exit status. args begins with the service's name.
func Main(args []string) int {
	var c config
	flags := flag.NewFlagSet("console", flag.ContinueOnError)
	flags.StringVar(&c.store, "store", "", "`path` of the store's socket for console")
	flags.StringVar(&c.keys, "client-keys", "", "`file` of the client keys that may call, as PEM blocks \"PUBLIC KEY\"")
	flags.TextVar(&c.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn, error")
	if err := flags.Parse(args[min(1, len(args)):]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if c.store == "" || c.keys == "" || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: console --store PATH --client-keys FILE [--log-level LEVEL]")
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.level})).With("service", "console")

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	sockets, err := activation.ListenersWithNames()
	if err == nil {
		err = run(ctx, c, sockets[socket], log)
	}
	if err != nil {
		log.Error("service ended", "err", err)
		return 1
	}
	return 0
}

// config is what the command line says.
type config struct {
	store string
	keys  string
	level slog.Level
}

func run(ctx context.Context, c config, listeners []net.Listener, log *slog.Logger) error {
	if len(listeners) == 0 {
		log.Warn("no listening socket was passed", "name", socket)
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the supervisor's watchdog interval: %w", err)
	}
	admin := contract.NewClient(c.store, contract.NewAdminClient)
	defer admin.Close()
	console := contract.NewClient(c.store, contract.NewConsoleClient)
	defer console.Close()

	s := &server{admin: admin, keys: clientKeys{c.keys}, log: log}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	certified := make(chan struct{})
	running.Go(func() {
		first := sync.OnceFunc(func() { close(certified) })
		contract.FollowSettings(ctx, console, func(*settings.Settings) {
			s.loadCertificate(ctx, console)
			first()
		})
	})
	select {
	case <-certified:
	case <-ctx.Done():
		return nil
	}
	running.Go(func() { s.feedWatchdog(ctx, watchdog) })
	s.tell(daemon.SdNotifyReady)
	return s.serve(ctx, listeners)
}

// feedWatchdog speaks up until ctx ends, as long as a call would get past the door: the file of client keys
// answers, whatever is in it. Calls themselves have their bounds.
func (s *server) feedWatchdog(ctx context.Context, most time.Duration) {
	if most <= 0 {
		return
	}
	beat := time.NewTicker(most / 3)
	defer beat.Stop()
	for {
		s.keys.read() // each call logs what is wrong with it
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
