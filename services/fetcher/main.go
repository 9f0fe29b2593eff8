// Package fetcher is the service that collects mail from the providers: it logs in with the kept login data,
// hands every mail to the store, and deletes at the provider what the store has answered for. It also tries the
// logins that the store wants to have verified.
//
// What is due when is in schedule, the session of one fetch in transfer, the dialogue with providers and the rule
// which of them are allowed in provider.
package fetcher

import (
	"context"
	"log/slog"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/process"
)

// patience is how long sessions under way have for their QUIT once the service is to stop.
const patience = 9 * time.Second

// Main runs the service until SIGTERM. args begins with the service's name.
func Main(args []string) int {
	var store string
	p := process.New("fetcher")
	p.Require(&store, "store", "`path` of the store's socket for fetcher")
	return p.Main(args, func(ctx context.Context, log *slog.Logger) error {
		client := contract.NewClient(store, contract.NewFetcherClient)
		defer client.Close()
		newService(client, provider.Dialer{}, log).run(ctx, config{
			patience: patience, every: process.Watchdog(log) / 2,
			ready: func() { process.Tell(log, process.Ready) },
			alive: func() { process.Tell(log, process.Alive) },
			leave: func() { process.Tell(log, process.Stopping) },
		})
		return nil
	})
}
