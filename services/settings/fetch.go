package settings

import "time"

// Fetch is when the box fetches from providers.
type Fetch struct {
	Schedule  time.Duration // 0: only after a poll
	IdleAfter time.Duration // the schedule rests for an account that nobody polled for so long
	Parallel  int           // provider sessions at once
}

func defaultFetch() Fetch {
	return Fetch{Schedule: 5 * time.Minute, IdleAfter: 7 * day, Parallel: 32}
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
How many accounts the box fetches for at the same moment, each in one session with its provider. Fewer is easier on a slow line.`},
		}}
}
