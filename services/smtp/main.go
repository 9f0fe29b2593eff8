package smtp

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"sync"

	"postroom/services/contract"
	"postroom/services/process"
	"postroom/services/settings"
	"postroom/services/smtp/queue"

	"github.com/coreos/go-systemd/v22/activation"
)

// Names of the sockets that are passed to the service (LISTEN_FDNAMES); one with several addresses comes
// several times.
const (
	socketPlain      = "smtp.listen"            // STARTTLS is offered
	socketSubmission = "smtp.listen_submission" // the same (RFC 6409)
	socketTLS        = "smtp.listen_tls"        // TLS from the first octet (RFC 8314 §3)
)

// Main is the service: it serves, and delivers, until SIGTERM, and gives the exit status.
func Main(args []string) int {
	var c config
	p := process.New("smtp")
	p.Require(&c.store, "store", "`path` of the store's socket for smtp")
	p.Require(&c.bodies, "bodies", "`folder` of the store's segments")
	return p.Main(args, func(ctx context.Context, log *slog.Logger) error {
		debug.SetGCPercent(collectAt)
		return run(ctx, c, log)
	})
}

// collectAt: a live heap of a few MiB would be collected for every 4 MiB of mail, a fifth of its CPU time; so it is for every 16 MiB.
const collectAt = 400

// config is what the command line says.
type config struct {
	store  string
	bodies string
}

func run(ctx context.Context, c config, log *slog.Logger) error {
	sockets, err := activation.ListenersWithNames()
	if err != nil {
		return fmt.Errorf("take over the listening sockets: %w", err)
	}
	plain := slices.Concat(sockets[socketPlain], sockets[socketSubmission])
	bodies, err := os.OpenRoot(c.bodies)
	if err != nil {
		return fmt.Errorf("open the folder of bodies: %w", err)
	}
	defer bodies.Close()
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
	running.Go(func() {
		process.Beat(ctx, process.Watchdog(log), func() {
			s.places.Len() // unless a session holds the places for good
			process.Tell(log, process.Alive)
		})
	})
	select {
	case <-ready:
	case <-ctx.Done():
		return nil
	}
	running.Go(func() {
		err := queue.Run(ctx, queue.Config{Store: queue.Remote(client), Bodies: bodies, Settings: s.settings.Load, Log: log})
		if err != nil {
			log.Error("queue runner ended", "err", err)
		}
	})
	process.Tell(log, process.Ready)
	defer context.AfterFunc(ctx, func() { process.Tell(log, stopping) })()
	s.serve(ctx, plain, sockets[socketTLS])
	return nil
}

// stopping asks the supervisor for the time that sessions have.
var stopping = fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", process.Stopping, (drain + finishPause).Microseconds())
