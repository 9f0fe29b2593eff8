package schedule

import (
	"time"

	"postroom/services/contract"
	"postroom/services/settings"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// spread is the jitter: the schedule and the back-off are stretched by up to so much, either way.
const spread = 0.1

// catchUp is the longest time over which fetches are spread that the schedule wanted long ago.
const catchUp = 10 * time.Minute

// entry is one account. Guarded by the scheduler's mu.
type entry struct {
	account *contract.FetchAccount // as the store last said
	polled  time.Time              // its LastPoll, by the clock that never jumps
	fetched time.Time              // its LastFetch, the same
	host    *host

	running  bool
	began    time.Time     // of the last fetch by this process
	ended    time.Time     // of the last fetch by this process
	failures int           // in a row
	pause    time.Duration // least wait behind the last failure
	firm     bool          // a poll doesn't shorten it
	ours     bool          // the last failure was the box's own
	interval time.Duration // between logins, as the provider itself wants it
	more     bool          // the last fetch left mail that a next one takes
	refused  bool          // the last fetch was refused, and the store hasn't said so yet
	gone     bool          // the store doesn't know the account
	jitter   float64       // 0 to 1, drawn anew for each fetch

	planned time.Time // what plan said last
	due     time.Time // the same, or what spreading made of it
	index   int       // in its host's queue; -1: it isn't there
}

// plan says when an account is to be fetched; ok is false where it's not to be. scheduled says that nobody waits for it.
//
//   - A poll, or the owner, makes it due at once.
//   - The schedule makes it due as long as a client polled within idle_after; not before its first poll has ended.
//   - A failure puts it off, longer each time; a poll shortens that to the first back-off, since a client that asked
//     the provider itself would be trying as often, unless the provider said what calls for a longer wait; the owner
//     ends it.
//   - What a fetch had to leave, for the limits of one session, is due at once, behind all that are due already.
//   - Nothing is due within the provider's minimum interval, that of the settings and that of its own words.
func (e *entry) plan(s *settings.Settings, interval time.Duration) (due time.Time, scheduled, ok bool) {
	a := e.account
	if a.Removed || a.Paused || a.Refused || e.refused || e.gone {
		return time.Time{}, false, false
	}
	last := latest(e.began, e.fetched)
	var earliest time.Time
	if !last.IsZero() {
		earliest = last.Add(max(interval, e.interval))
	}
	failed := e.failures > 0
	switch {
	case e.more:
		return latest(earliest, e.ended), false, true
	case failed && a.Asked && !e.ours:
		return latest(earliest, e.ended), false, true
	case failed && a.Wanted && !e.firm && !e.ours:
		return latest(earliest, e.ended.Add(e.stretch(s.Fetch.RetryFirst))), false, true
	case failed:
		due = e.ended.Add(max(e.stretch(backoff(s, e.failures)), e.pause))
	case a.Wanted:
		return latest(earliest, e.polled), false, true
	case s.Fetch.Schedule == 0:
		return time.Time{}, false, false
	case !last.IsZero():
		due = last.Add(e.stretch(s.Fetch.Schedule))
	}
	due = latest(due, earliest)
	return due, !a.Wanted, a.Wanted || !e.polled.IsZero() && due.Before(e.polled.Add(s.Fetch.IdleAfter))
}

// late gives the time for a fetch that nobody waits for and that should have been long ago: so that all the accounts
// that a stop, or new settings, made late don't come at the same moment.
func (e *entry) late(s *settings.Settings, due, now time.Time) time.Time {
	window := min(now.Sub(due), catchUp)
	if s.Fetch.Schedule > 0 {
		window = min(window, s.Fetch.Schedule)
	}
	return now.Add(time.Duration(e.jitter * float64(window)))
}

// stretch applies the jitter.
func (e *entry) stretch(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*spread*(2*e.jitter-1))
}

// backoff is the wait behind so many failures in a row.
func backoff(s *settings.Settings, failures int) time.Duration {
	d := s.Fetch.RetryFirst
	for ; failures > 1 && d < s.Fetch.RetryLongest; failures-- {
		d *= 2
	}
	return min(d, s.Fetch.RetryLongest)
}

// take takes what the store says of the account.
func (e *entry) take(a *contract.FetchAccount, now time.Time) {
	keep := func(at *time.Time, said, before *timestamppb.Timestamp) {
		if said.GetSeconds() != before.GetSeconds() || said.GetNanos() != before.GetNanos() {
			*at = moment(said, now)
		}
	}
	keep(&e.polled, a.LastPoll, e.account.GetLastPoll())
	keep(&e.fetched, a.LastFetch, e.account.GetLastFetch())
	e.account = a
}

// moment gives a time of the contract by the clock that never jumps; none is the zero time. One in the future, by a clock
// that was wrong, is now.
func moment(t *timestamppb.Timestamp, now time.Time) time.Time {
	if t.GetSeconds() == 0 && t.GetNanos() == 0 {
		return time.Time{}
	}
	return now.Add(min(0, t.AsTime().Sub(now)))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
