// Package transfer moves what a provider holds for an account into the store, and deletes there what the store
// has answered for: one session, from a login that was accepted to QUIT.
//
// In this order: the listing is compared with the account's ledger, mails are retrieved and put, and only then
// are mails deleted that this session proved to be stored. A session that breaks off at any point leaves ledger
// rows that the next one reconciles.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"

	"golang.org/x/sync/semaphore"
)

// Store is the fetcher's part of the store.
type Store = *contract.Client[contract.FetcherService]

// Limits bound one session. Zero means the default of each.
type Limits struct {
	Mails  int           // that are looked at; default 500
	Octets uint64        // that are retrieved; default 256 MiB
	Time   time.Duration // of retrieving; default 5 minutes
	Mail   uint64        // octets of one mail; a larger one stays at the provider; default 100 MiB
}

func (l Limits) orDefault() Limits {
	if l.Mails <= 0 {
		l.Mails = 500
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

// NewBudget bounds the octets of mail that all sessions that share it hold in memory while the store syncs.
func NewBudget() *semaphore.Weighted { return semaphore.NewWeighted(16 * contract.MaxPut) }

// Config is what a session works with.
type Config struct {
	Store   Store
	Account []byte
	Budget  *semaphore.Weighted // at least contract.MaxPut
	Limits  Limits
	Log     *slog.Logger
	Stop    <-chan struct{} // closed: retrieve no more, delete what is stored, QUIT; may be nil
}

// Result is what a session came to; it counts where Run gives an error, too.
type Result struct {
	Stored   int    // mails
	Deleted  int    // mails, acknowledged by +OK to QUIT
	Octets   uint64 // retrieved
	TooLarge int    // mails that stay at the provider for their size
	Refused  string // the provider's words where it refused to give or to delete a mail; empty: it didn't
	More     bool   // another session at once would do more
}

// Run does everything behind the login, QUIT included. The connection is closed afterwards. The error is
// that of the connection or of the store; where it is contract.ErrFull, the session ended in order.
func Run(ctx context.Context, c *provider.Conn, config Config) (Result, error) {
	defer c.Close()
	config.Limits = config.Limits.orDefault()
	s := &session{Config: config, conn: c, ledger: newLedger(), groups: map[digest][]*seen{}, at: map[int]*seen{}}
	err := s.run(ctx)
	return s.result, err
}

// session is owned by the goroutine of Run.
type session struct {
	Config
	conn *provider.Conn

	listing *provider.Listing
	ledger  *ledger
	plan    plan
	puts    *putter
	scratch []byte // the mail that is being received, at most contract.MaxPut octets

	groups   map[digest][]*seen // by bytes
	at       map[int]*seen      // by number
	numbers  map[string]int     // of the mails with a unique UIDL
	unseen   map[string]bool    // UIDLs of mails that were not seen, once all is retrieved
	refusals int                // mails that the provider would not give or delete
	again    bool               // a mail got lost on its way into the store
	failed   error              // of the store: retrieve no more

	result Result
}

// seen is a mail of the listing whose bytes are known: by RETR in this session, or by the TOP rule.
type seen struct {
	entry provider.Entry
	sha   digest
	head  digest

	known  *row // what an earlier session stored of this mail; nil: nothing
	put    *put // what this session puts; nil: nothing
	twin   bool // another number gave the same bytes: to be held until both are seen again
	unsure bool // held, and still to be seen beside the mail that it's a twin of
}

func (s *session) run(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	s.puts = newPutter(ctx, s.Store, s.Account, s.Budget)
	err := s.check()
	if err == nil {
		err = s.retrieve(ctx)
	}
	stored, putErr := s.puts.finish()
	s.result.Stored = stored
	if err != nil {
		return err
	}
	s.fail(putErr)
	if err := s.remove(ctx); err != nil {
		return errors.Join(err, s.failed)
	}
	return s.failed
}

// look reads listing and ledger and compares them.
func (s *session) look(ctx context.Context) error {
	var err error
	if s.listing, err = s.conn.List(); err != nil {
		return err
	}
	if err := s.ledger.load(ctx, s.Store, s.Account, s.listing); err != nil {
		return err
	}
	s.plan = s.ledger.compare(s.listing, s.Limits.Mail)
	s.result.TooLarge = len(s.plan.large)
	gone := marks(s.plan.gone, contract.LedgerState_DELE_ACKED, nil)
	s.ledger.forget(s.plan.gone)
	s.numbers = map[string]int{}
	for _, e := range s.listing.Mails {
		if e.Unique {
			s.numbers[e.UIDL] = e.Number
		}
	}
	return s.mark(ctx, gone, nil)
}

// fail ends retrieving for an error of the store.
func (s *session) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}

// mark asks the store for transitions and for new HELD rows.
func (s *session) mark(ctx context.Context, marks []*contract.LedgerMark, held []*contract.LedgerRow) error {
	if len(marks)+len(held) == 0 {
		return nil
	}
	_, err := contract.Call(ctx, s.Store, contract.FetcherService.MarkLedger, &contract.MarkLedgerRequest{
		Account: s.Account, Marks: marks, Held: held,
	})
	if err != nil {
		return fmt.Errorf("mark %d rows of the ledger: %w", len(marks)+len(held), err)
	}
	return nil
}

// marks gives the transitions of rows to a state, HELD ones' removal, behind those in more.
func marks(rows []*row, to contract.LedgerState, more []*contract.LedgerMark) []*contract.LedgerMark {
	for _, r := range rows {
		m := &contract.LedgerMark{Id: r.id, State: to}
		if r.state == contract.LedgerState_HELD {
			m.State = contract.LedgerState_LEDGER_UNSPECIFIED
		}
		more = append(more, m)
	}
	return more
}
