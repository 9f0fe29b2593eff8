// Package clock keeps the machine's clock right by network time (NTP, RFC 5905), and knows whether it is.
package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"postroom/services/resolver"
	"postroom/services/settings"

	"github.com/beevik/ntp"
)

const (
	usual      = 17 * time.Minute // between two looks
	first      = 5 * time.Second  // for the network to come up, unless it says so
	leastRetry = 5 * time.Second
	complain   = time.Hour // how often it is said that there is no network time
	mostRetry  = 5 * time.Minute
	goodFor    = 7 * 24 * time.Hour // an ordinary clock drifts by seconds in that time

	maxServers = 4 // addresses that are asked
	patience   = 5 * time.Second

	agreement = 250 * time.Millisecond // how near to each other answers must be, their way not counted
	slew      = 400 * time.Millisecond // the clock is set at once when it is further off; else it is made faster or slower
)

// Wanted is what the settings say.
type Wanted struct {
	Servers []settings.Server
	DNS     []settings.Server // empty: the system's
}

// A Keeper does the work. Log must be set.
type Keeper struct {
	Log *slog.Logger
	// OnGood is called when the clock has become known to be good, or isn't any more.
	OnGood func(good bool)

	// For tests; nil: network time, and this machine's clock.
	Ask func(ctx context.Context, w Wanted) []Answer
	Set func(offset time.Duration) error
}

// An Answer is what one server said.
type Answer struct {
	Server string
	Offset time.Duration // to be added to this machine's clock
	Error  time.Duration // at most so far off, by the way that the answer took
	Err    error
}

// Run keeps the clock until ctx ends, once there was a word on wanted. look asks for a look now, as when the
// network has come up.
func (k *Keeper) Run(ctx context.Context, wanted <-chan Wanted, look <-chan struct{}) {
	if k.Ask == nil {
		k.Ask = ask
	}
	if k.Set == nil {
		k.Set = set
	}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	var w *Wanted
	var last time.Time // when the clock was last known to be good; monotonic
	good, retry := false, leastRetry
	var said time.Time // when it was said that there is no network time; zero: not since there was
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-wanted:
			began := w != nil
			w = &now
			if !began {
				timer.Reset(first)
				continue
			}
		case <-look:
			retry = leastRetry
		case <-timer.C:
		}
		if w == nil {
			continue
		}
		offset, err := agree(k.Ask(ctx, *w))
		if err == nil {
			err = k.correct(offset, good)
		}
		if ctx.Err() != nil {
			return
		}
		next := usual
		if err != nil {
			next, retry = retry, min(2*retry, mostRetry)
			if said.IsZero() || time.Since(said) >= complain {
				said = time.Now()
				k.Log.Warn("clock is not compared with network time", "err", err)
			}
		} else {
			last, retry, said = time.Now(), leastRetry, time.Time{}
		}
		if now := !last.IsZero() && time.Since(last) < goodFor; now != good {
			good = now
			if k.OnGood != nil {
				k.OnGood(good)
			}
		}
		timer.Reset(next)
	}
}

// correct brings the clock nearer to the right time. The first time it always says so.
func (k *Keeper) correct(offset time.Duration, good bool) error {
	if err := k.Set(offset); err != nil {
		return fmt.Errorf("set the clock by %v: %w", offset, err)
	}
	if offset.Abs() > slew || !good {
		k.Log.Info("clock is right", "was_off_by", -offset.Round(time.Millisecond))
	}
	return nil
}

// agree finds the time that more than half of the servers that answered are near to.
func agree(answers []Answer) (time.Duration, error) {
	var right []Answer
	var errs []error
	for _, a := range answers {
		if a.Err != nil {
			errs = append(errs, a.Err)
			continue
		}
		right = append(right, a)
	}
	if len(right) == 0 {
		if len(errs) == 0 {
			return 0, errors.New("no time server is set")
		}
		return 0, fmt.Errorf("no time server answers: %w", errs[0])
	}
	slices.SortFunc(right, func(a, b Answer) int { return int(a.Offset.Milliseconds() - b.Offset.Milliseconds()) })
	middle := right[len(right)/2]
	near := 0
	for _, a := range right {
		if (a.Offset - middle.Offset).Abs() <= agreement+a.Error+middle.Error {
			near++
		}
	}
	if 2*near <= len(right) {
		var all []string
		for _, a := range right {
			all = append(all, fmt.Sprintf("%s %v", a.Server, a.Offset.Round(time.Millisecond)))
		}
		return 0, fmt.Errorf("time servers disagree: %s", strings.Join(all, ", "))
	}
	return middle.Offset, nil
}

// ask asks several servers at once. A name may stand for several.
func ask(ctx context.Context, w Wanted) []Answer {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	names := resolver.New(w.DNS, false)
	var addresses []string
	var answers []Answer
	for _, server := range w.Servers {
		if _, err := netip.ParseAddr(server.Host); err == nil {
			addresses = append(addresses, server.String())
			continue
		}
		found, err := names.LookupNetIP(ctx, server.Host)
		if err != nil {
			answers = append(answers, Answer{Server: server.Host, Err: err})
			continue
		}
		for _, one := range found[:min(len(found), maxServers)] {
			addresses = append(addresses, netip.AddrPortFrom(one, server.Port).String())
		}
	}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, address := range addresses[:min(len(addresses), 2*maxServers)] {
		asking.Go(func() {
			a := askOne(address)
			mu.Lock()
			answers = append(answers, a)
			mu.Unlock()
		})
	}
	asking.Wait()
	return answers
}

func askOne(address string) Answer {
	a := Answer{Server: address}
	r, err := ntp.QueryWithOptions(address, ntp.QueryOptions{Timeout: patience})
	if err == nil {
		err = r.Validate()
	}
	if err == nil {
		err = plausible(r.Time)
	}
	if err != nil {
		a.Err = fmt.Errorf("time server %s: %w", address, err)
		return a
	}
	a.Offset, a.Error = r.ClockOffset, r.RTT/2+r.RootDistance
	return a
}

// built is before any time that a box of this program runs in.
var built = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func plausible(t time.Time) error {
	if t.Before(built) || t.After(built.AddDate(100, 0, 0)) {
		return fmt.Errorf("says that it is %s", t.UTC().Format(time.DateOnly))
	}
	return nil
}
