package fetcher

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/mail"
	"postroom/services/wire"
)

const (
	verifying     = 16               // verifications at once
	verifyTimeout = 38 * time.Second // a client waits for it, and the store offers it anew after 40 s
	verifyWait    = 20 * time.Second // for a fetch of the same account to end
)

// verify tries logins that wait to be verified at their providers, until ctx ends; those under way then have
// until work ends.
func (s *service) verify(ctx, work context.Context) {
	var underWay sync.WaitGroup
	defer underWay.Wait()
	free := make(chan struct{}, verifying) // holds one for each that is under way
	look := contract.Watch(ctx, s.store, contract.Topic_TOPIC_VERIFICATIONS)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look:
		}
		for {
			select {
			case <-ctx.Done():
				return
			case free <- struct{}{}:
			}
			v, err := contract.Call(ctx, s.store, contract.FetcherService.TakeVerification, &contract.TakeVerificationRequest{})
			if err != nil || v.None {
				<-free
				if err != nil && ctx.Err() == nil {
					s.log.Error("verification not taken", "err", err)
				}
				break
			}
			underWay.Go(func() {
				defer func() { <-free }()
				s.verifyOne(work, v)
			})
		}
	}
}

// verifyOne answers one verification.
func (s *service) verifyOne(ctx context.Context, v *contract.TakeVerificationResponse) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in a verification", "err", p, "stack", string(debug.Stack()))
		}
	}()
	began := time.Now()
	name := mail.Name{Login: v.Login, Host: v.Host, Port: uint16(v.Port)}
	trying, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	err := s.tryLogin(trying, name, v.Known, wire.NewSecret(v.Password))
	verified, text := verdict(v.Host, err)
	log := s.log.With("account", name.String(), "provider", v.Host, "verdict", verified.String(), "took", time.Since(began).Round(time.Millisecond))
	if err == nil {
		log.Info("login verified")
	} else {
		log.Info("login not verified", "err", err)
	}
	_, err = contract.Call(ctx, s.store, contract.FetcherService.AnswerVerification, &contract.AnswerVerificationRequest{
		Id: v.Id, Verified: verified, Text: text,
	})
	if err != nil && !errors.Is(err, contract.ErrNotFound) { // not found: nobody waits for it any more
		log.Warn("verification not answered", "err", err)
	}
}

// errBusy means that a fetch of the same account didn't end in time.
var errBusy = errors.New("mail is being fetched for this account just now")

// tryLogin logs in at the provider and leaves again. A known account's provider was allowed once, and stays so.
func (s *service) tryLogin(ctx context.Context, name mail.Name, known bool, password wire.Secret) error {
	waiting, cancel := context.WithTimeoutCause(ctx, verifyWait, errBusy)
	defer cancel()
	unlock, err := s.locks.lock(waiting, name.Key())
	if err != nil {
		return err
	}
	defer unlock()
	dialer := s.dialer
	dialer.Log = s.log.With("account", name.String(), "provider", name.Host)
	c, err := dialer.Open(ctx, s.settings.Load(), provider.Target{Host: name.Host, Port: name.Port, Enrolling: !known})
	if err != nil {
		return err
	}
	err = c.Login(name.Login, password)
	c.Leave()
	return err
}

// verdict says what a try means, and why in words for the person who logs in.
func verdict(host string, err error) (contract.Verified, string) {
	switch {
	case err == nil:
		return contract.Verified_VERIFIED_ACCEPTED, ""
	case errors.Is(err, errBusy):
		return contract.Verified_VERIFIED_UNKNOWN, errBusy.Error() + ": try again in a minute"
	case provider.Forbidden(err):
		return contract.Verified_VERIFIED_NOT_ALLOWED, provider.Explain(host, err)
	case provider.DefinitelyRefused(err), provider.BarelyRefused(err):
		return contract.Verified_VERIFIED_REFUSED, provider.Explain(host, err)
	}
	return contract.Verified_VERIFIED_UNKNOWN, provider.Explain(host, err)
}
