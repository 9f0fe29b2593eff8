package fetcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/fetcher/schedule"
	"postroom/services/fetcher/transfer"
	"postroom/services/mail"
	"postroom/services/settings"
	"postroom/services/wire"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// fetch is one fetch for an account: one session with its provider. It tells whether the store heard of its end.
func (s *service) fetch(ctx context.Context, a *contract.FetchAccount, settle func(schedule.Outcome) time.Time) (told bool) {
	log := s.log.With("account", a.Name, "provider", a.Host)
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in a fetch", "err", p, "stack", string(debug.Stack()))
			settle(schedule.Outcome{Failed: true})
		}
	}()
	unlock, err := s.locks.lock(ctx, key(a.Name))
	if err != nil {
		settle(schedule.Outcome{Failed: true})
		return false
	}
	defer unlock()
	began := time.Now()
	login, err := contract.Call(ctx, s.store, contract.FetcherService.BeginFetch, &contract.BeginFetchRequest{Account: a.Id})
	if err != nil {
		gone, full := errors.Is(err, contract.ErrNotFound), errors.Is(err, contract.ErrFull)
		if !gone && !full && ctx.Err() == nil { // a condition tells of a full disk
			log.Warn("fetch not begun", "err", err)
		}
		settle(schedule.Outcome{Failed: true, Ours: true, Pause: untilRoom, Gone: gone})
		return false
	}
	settings := s.settings.Load()
	var delay time.Duration
	result, err := s.session(ctx, settings, a, login, &delay, log)
	end := s.judge(settings, a, login.Host, result, err)
	end.Interval = max(end.Interval, delay)
	next := settle(end.Outcome)
	log = log.With("stored", result.Stored, "deleted", result.Deleted, "octets", result.Octets, "took", time.Since(began).Round(time.Millisecond))
	switch {
	case end.Failed:
		log.Warn("fetch ended early", "err", err)
	default:
		log.Info("fetched")
	}

	if ctx.Err() != nil {
		return false // the next run of this service fetches again
	}
	if !end.Failed {
		s.conditions.set(ctx, contract.ConditionTooLarge, a, end.tooLarge)
	}
	request := &contract.EndFetchRequest{
		Account: a.Id, Succeeded: !end.Failed, Refused: end.Refused, ProviderText: end.text, Lasting: end.lasting,
		Misfits: uint32(result.Misfits),
	}
	if !next.IsZero() {
		request.NextFetch = timestamppb.New(next)
	}
	if _, err := contract.Call(ctx, s.store, contract.FetcherService.EndFetch, request); err != nil {
		log.Warn("end of fetch not told to the store", "err", err)
		return false
	}
	s.accounts.refresh(ctx)
	return true
}

// session logs in and moves the mail, by the settings that were in force when it began. delay is what the provider says
// of the time between two logins.
func (s *service) session(ctx context.Context, settings *settings.Settings, a *contract.FetchAccount, login *contract.BeginFetchResponse, delay *time.Duration, log *slog.Logger) (transfer.Result, error) {
	target := provider.Target{Host: login.Host, Port: uint16(login.Port)}
	dialer := s.dialer
	dialer.Log = log
	none := transfer.Result{Misfits: int(login.Misfits)}
	c, err := dialer.Open(ctx, settings, target)
	if err != nil {
		return none, err
	}
	defer func() { *delay = c.LoginDelay() }()
	if err := c.Login(login.Login, wire.NewSecret(login.Password)); err != nil {
		c.Leave()
		return none, err
	}
	s.refusals.judge(string(a.Id), nil, time.Now())
	line := s.lines.of(string(a.Id))
	if line.lockStep(time.Now()) {
		c.LockStep()
	}
	after, deletes := settings.Provider(login.Host).Delete.After()
	result, err := transfer.Run(ctx, c, transfer.Config{
		Store: s.store, Puts: s.puts, Account: a.Id, Login: login.Login, Host: login.Host, Budget: s.budget,
		Limits: transfer.Limits{Mail: uint64(settings.Fetch.MaxSize)}, Broken: line.drops,
		Delete: transfer.Delete{Never: !deletes, After: after}, Misfits: int(login.Misfits), ClockGood: login.ClockGood,
		Log: log, Stop: s.stopping,
	})
	if ctx.Err() == nil {
		s.lines.judge(string(a.Id), result.Broke, c.Stuck(err), time.Now())
	}
	return result, err
}

// ending is what a fetch came to, for scheduler, store and owner.
type ending struct {
	schedule.Outcome
	text     string // what provider_text shows; empty where all went well
	lasting  bool   // the provider's doing, and more than its state of the moment
	tooLarge string // text of that condition; empty: there is none
}

// judge says what a fetch came to.
func (s *service) judge(settings *settings.Settings, a *contract.FetchAccount, host string, r transfer.Result, err error) ending {
	var end ending
	end.More = r.More
	if r.TooLarge > 0 {
		end.tooLarge = fmt.Sprintf("mails over the limit of %s (fetch.max_size) stay at the provider: %d", settings.Fetch.MaxSize, r.TooLarge)
	}
	switch {
	case err == nil && r.Refused != "":
		end.text = "the provider refused some mails: " + r.Refused
		return end
	case err == nil:
		end.text = end.tooLarge
		return end
	}
	end.Failed = true
	switch {
	case errors.Is(err, contract.ErrFull):
		end.text = "the disk is full: no mail is fetched until there is room"
		end.Ours, end.Pause = true, untilRoom
	case ofStore(err):
		end.text = "mail could not be stored: " + err.Error()
	default:
		end.text = provider.Explain(host, err)
		end.lasting = !provider.Passing(err)
		end.Refused = s.refusals.judge(string(a.Id), err, time.Now())
		end.Interval, end.Pause, end.Firm = wait(err)
	}
	return end
}

// untilRoom is how long a full disk keeps an account from another try: each costs a call of the store alone.
const untilRoom = time.Minute

// wait says how long a refusal calls for: what the provider wants between two logins, the least wait behind this one, and
// whether a poll may shorten that. A provider that wants something of a person, or fewer logins, isn't asked at each poll.
func wait(err error) (interval, pause time.Duration, firm bool) {
	interval, often := provider.TooOften(err)
	switch {
	case often, provider.ForPerson(err):
		return interval, max(apart, interval), true
	case provider.BarelyRefused(err):
		return 0, apart, false
	}
	return 0, 0, false
}

// ofStore tells an error of the store from one of the provider.
func ofStore(err error) bool {
	for _, kind := range []error{contract.ErrInvalid, contract.ErrNotFound, contract.ErrConflict, contract.ErrDamaged, contract.ErrUnavailable, contract.ErrForbidden} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// key is an account's identity in a compound name.
func key(name string) string {
	if n, err := mail.ParseName(name); err == nil {
		return n.Key()
	}
	return name
}
