package validator

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"postroom/services/contract"
	"postroom/services/process"
)

// Main is the service: it works until SIGTERM, and gives the exit status.
func Main(args []string) int {
	var c config
	p := process.New("validator")
	p.Require(&c.store, "store", "`path` of the store's socket for validator")
	p.Require(&c.bodies, "bodies", "`folder` of the store's segments")
	return p.Main(args, func(ctx context.Context, log *slog.Logger) error { return run(ctx, c, log) })
}

// config is what the command line says.
type config struct {
	store  string
	bodies string
}

func run(ctx context.Context, c config, log *slog.Logger) error {
	bodies, err := os.OpenRoot(c.bodies)
	if err != nil {
		return fmt.Errorf("open the folder of bodies: %w", err)
	}
	defer bodies.Close()
	client := contract.NewClient(c.store, contract.NewValidatorClient)
	defer client.Close()

	v := newValidator(client, bodies, process.Watchdog(log), log)
	v.tell = func(word string) { process.Tell(log, word) }
	v.serve(ctx)
	return nil
}
