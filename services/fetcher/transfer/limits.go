package transfer

import (
	"time"

	"postroom/services/contract"

	"golang.org/x/sync/semaphore"
)

// Limits bound one session. Zero means the default of each.
type Limits struct {
	Mails  int           // that are retrieved, and that are looked at by TOP, each; default 1000
	Octets uint64        // that are retrieved; default 256 MiB
	Time   time.Duration // from the login to the first DELE; default 5 minutes
	Mail   uint64        // octets of one mail; a larger one stays at the provider; default 100 MiB
}

// fewMails is what a session takes on the worst of lines.
const fewMails = 4

func (l Limits) orDefault() Limits {
	if l.Mails <= 0 {
		l.Mails = 1000
	}
	if l.Octets == 0 {
		l.Octets = 256 << 20
	}
	if l.Time <= 0 {
		l.Time = 5 * time.Minute
	}
	if l.Mail == 0 {
		l.Mail = 100 << 20
	}
	return l
}

// halved makes the limits of a session smaller, for so many sessions in a row that broke before their QUIT: on a line that
// always drops a session comes to its deletions one day.
func (l Limits) halved(times int) Limits {
	for ; times > 0 && l.Mails > fewMails; times-- {
		l.Mails, l.Octets, l.Time = max(l.Mails/2, fewMails), max(l.Octets/2, 1), max(l.Time/2, time.Second)
	}
	return l
}

// NewBudget bounds the octets of mail that all sessions that share it hold in memory while the store syncs.
func NewBudget() *semaphore.Weighted { return semaphore.NewWeighted(16 * contract.MaxPut) }
