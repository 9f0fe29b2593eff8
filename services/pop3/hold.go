package pop3

import (
	"context"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
)

// hold keeps a login that was accepted waiting for fresh mail, where the settings say so: as long as they say, or until the
// service stops. Whatever comes of it, the login goes on with what is there.
func (s *session) hold(ctx context.Context, name string, account []byte) {
	in := s.server.settings.Load().POP3
	if in.Delivery != settings.DeliverySamePoll {
		return
	}
	began, log := time.Now(), s.log.With("account", name)
	ctx, cancel := context.WithTimeout(ctx, in.Hold)
	defer cancel()
	defer s.waits.WhenClosed(cancel)()
	_, err := s.server.store.AwaitFetch(ctx, &contract.AwaitFetchRequest{Account: account})
	switch {
	case ctx.Err() != nil:
		log.Info("login was held in vain", "took", time.Since(began))
	case err != nil:
		log.Warn("login not held", "err", err)
	default:
		log.Debug("login was held", "took", time.Since(began))
	}
}
