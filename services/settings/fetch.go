package settings

import "time"

// Fetch is when the box fetches from providers.
type Fetch struct {
	Schedule  time.Duration // 0: only after a poll
	IdleAfter time.Duration // the schedule rests for an account that nobody polled for so long
	Parallel  int           // provider sessions at once

	ConnectTimeout time.Duration // for all ways to one provider, TLS handshake included
	CommandTimeout time.Duration // for a reply, and within a transfer without an octet
	RetryFirst     time.Duration // behind a first failure; doubled behind each one after it
	RetryLongest   time.Duration // at least RetryFirst
	MaxSize        Size          // of one mail; a larger one stays at the provider
}

func defaultFetch() Fetch {
	return Fetch{
		Schedule: 5 * time.Minute, IdleAfter: 7 * day, Parallel: 32,
		ConnectTimeout: 30 * time.Second, CommandTimeout: 5 * time.Minute,
		RetryFirst: 30 * time.Second, RetryLongest: 2 * time.Hour, MaxSize: 100 << 20,
	}
}

// check finds what doesn't fit together.
func (f *Fetch) check() *fault {
	if f.RetryLongest >= f.RetryFirst {
		return nil
	}
	return wrong("%s is less than fetch.retry_first, which is %s", quote(showDuration(f.RetryLongest)), showDuration(f.RetryFirst)).
		better("write %s or more", showDuration(f.RetryFirst))
}

func (f *Fetch) section() section {
	return section{name: "fetch", doc: `
When the box collects mail from the providers. It does so after every poll of a client, and on a schedule of its own. Whatever it has
safely stored it deletes at the provider.`,
		settings: []setting{
			{name: "schedule", value: text(&f.Schedule, durationOrNone(10*time.Second, 30*day)), example: `"15m"`, doc: `
How often the box fetches for each account by itself. "0s" turns that off: then it fetches only after a client has polled. A provider's
own provider.min_interval holds in any case.`},
			{name: "idle_after", value: text(&f.IdleAfter, duration(time.Minute, 10*year)), example: `"720h"`, doc: `
The schedule rests for an account that no client has polled for so long, and goes on at its next poll. So the mail of
somebody who went back to collecting from the provider stays there. "168h" is a week.`},
			{name: "parallel", value: number(&f.Parallel, 1, 1000), example: `8`, doc: `
How many accounts the box fetches for at the same moment, each in one session with its provider. Fewer is easier on a slow line. A quarter of
them, but at least 4, may be at one provider.`},
			{name: "connect_timeout", value: text(&f.ConnectTimeout, duration(time.Second, 5*time.Minute)), example: `"1m"`, doc: `
How long the box tries to reach a provider, all its addresses and the beginning of TLS included.`},
			{name: "command_timeout", value: text(&f.CommandTimeout, duration(time.Second, time.Hour)), example: `"10m"`, doc: `
How long the box waits for a provider that says nothing, for an answer or for the next piece of a mail, before it gives the session
up.`},
			{name: "retry_first", value: text(&f.RetryFirst, duration(time.Second, time.Hour)), example: `"1m"`, doc: `
When a fetch failed, how long the box waits before it tries again by itself. It waits twice as long after each failure, up to
fetch.retry_longest, and never less than provider.min_interval. A poll shortens the wait to this time again, and
"postroom account fetch" ends it.`},
			{name: "retry_longest", value: text(&f.RetryLongest, duration(time.Second, 7*day)), example: `"6h"`, doc: `
The longest that the box waits after many failures. It can't be less than fetch.retry_first.`},
			{name: "max_size", value: text(&f.MaxSize, size(64<<10, 1<<30)), example: `"250MiB"`, doc: `
The largest mail that is fetched, as the provider says its size. A larger one stays at the provider, and the user gets a notice in its place.
When you allow larger ones, they are fetched from then on.`},
		}}
}
