package console

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"postroom/services/contract"
	"postroom/services/process"
	"postroom/services/settings"

	"github.com/coreos/go-systemd/v22/activation"
)

// socket is the name of the sockets that are passed to the service (LISTEN_FDNAMES); with several addresses
// it comes several times.
const socket = "console.listen"

// Main is the service: it serves until SIGTERM, and gives the exit status.
func Main(args []string) int {
	var c config
	p := process.New("console")
	p.Require(&c.store, "store", "`path` of the store's socket for console")
	p.Require(&c.keys, "client-keys", "`file` of the client keys that may call, as PEM blocks \"PUBLIC KEY\"")
	return p.Main(args, func(ctx context.Context, log *slog.Logger) error {
		sockets, err := activation.ListenersWithNames()
		if err != nil {
			return fmt.Errorf("take over the listening sockets: %w", err)
		}
		return run(ctx, c, sockets[socket], log)
	})
}

// config is what the command line says.
type config struct {
	store string
	keys  string
}

func run(ctx context.Context, c config, listeners []net.Listener, log *slog.Logger) error {
	if len(listeners) == 0 {
		log.Warn("no listening socket was passed", "name", socket)
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
	running.Go(func() {
		process.Beat(ctx, process.Watchdog(log), func() {
			// A call would get past the door: the file of client keys answers, whatever is in it. Calls themselves have
			// their bounds, and each logs what is wrong with the file.
			s.keys.read()
			process.Tell(log, process.Alive)
		})
	})
	process.Tell(log, process.Ready)
	return s.serve(ctx, listeners)
}
