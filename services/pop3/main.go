package pop3

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"postroom/services/contract"
	"postroom/services/process"
	"postroom/services/settings"

	"github.com/coreos/go-systemd/v22/activation"
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
	p := process.New("pop3")
	p.Require(&c.store, "store", "`path` of the store's socket for pop3")
	p.Require(&c.bodies, "bodies", "`folder` of the store's segments")
	return p.Main(args, func(ctx context.Context, log *slog.Logger) error { return run(ctx, c, log) })
}

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
	running.Go(func() {
		process.Beat(ctx, process.Watchdog(log), func() {
			s.locks.len() // unless a session holds the locks for good
			process.Tell(log, process.Alive)
		})
	})
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
	process.Tell(log, process.Ready)
	defer context.AfterFunc(ctx, func() { process.Tell(log, stopping) })()
	s.serve(ctx, sockets[socketPlain], sockets[socketTLS])
	return nil
}

// stopping asks the supervisor for the time that sessions have, and what they leave to the background.
var stopping = fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", process.Stopping, (drain + dropWait).Microseconds())
