// Package transfer moves what a provider holds for an account into the store, and deletes there what the store
// has answered for: one session, from a login that was accepted to QUIT.
//
// In this order:
//
//	plan      listing and ledger are compared, by names and sizes alone: what is left alone, looked at, retrieved
//	check     TOP n 0 shows whether a mail is what an earlier session stored
//	large     mail over the limit stays, and a notice is put in its place
//	retrieve  RETR; which mail it turns out to be decides what is done with it (settle)
//	remove    the ledger is told, then mails are deleted that this session proved to be stored, and due
//
// A session that breaks off at any point leaves ledger rows that the next one reconciles.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"
)

// Store is the fetcher's part of the store.
type Store = *contract.Client[contract.FetcherService]

// Config is what a session works with.
type Config struct {
	Store   Store
	Puts    *contract.Putter // of Store
	Account []byte
	Login   string              // for notices
	Host    string              // the same
	Budget  *semaphore.Weighted // at least contract.MaxPut
	Limits  Limits
	Broken  int // sessions in a row that broke before their QUIT
	Delete  Delete
	Log     *slog.Logger
	Stop    <-chan struct{} // closed: retrieve no more, delete what is stored, QUIT; may be nil

	Misfits   int  // as the account's last session said
	ClockGood bool // nothing is decided by age without
}

// Result is what a session came to; it counts where Run gives an error, too.
type Result struct {
	Stored   int    // mails, those that are held and notices among them
	Deleted  int    // mails, acknowledged by +OK to QUIT
	Octets   uint64 // retrieved
	TooLarge int    // mails that stay at the provider for their size
	Misfits  int    // mails in a row that came the same twice, and with another length than LIST said
	Refused  string // the provider's words where it refused to give or to delete a mail; empty: it didn't
	More     bool   // another session at once would do more
	Broke    bool   // it ended before the answer to its QUIT
}

// Run does everything behind the login, QUIT included. The connection is closed afterwards. The error is
// that of the connection or of the store; where it is contract.ErrFull, the session ended in order.
func Run(ctx context.Context, c *provider.Conn, config Config) (Result, error) {
	defer c.Close()
	config.Limits = config.Limits.orDefault().halved(config.Broken)
	s := &session{
		Config: config, conn: c, began: time.Now(), ledger: newLedger(), sizes: sizes{misfits: config.Misfits},
		groups: map[digest][]*seen{}, at: map[int]*seen{}, alone: map[int]bool{},
	}
	s.result.Broke = true
	if config.Broken > 0 {
		c.LockStep()
	}
	err := s.run(ctx)
	s.result.Misfits = s.sizes.misfits
	return s.result, err
}

// session is owned by the goroutine of Run.
type session struct {
	Config
	conn  *provider.Conn
	began time.Time

	listing *provider.Listing
	ledger  *ledger
	sizes   sizes
	plan    plan
	puts    *putter
	scratch []byte // the mail that is being received, at most contract.MaxPut octets

	seen    []*seen            // in the order in which they were
	groups  map[digest][]*seen // by bytes
	at      map[int]*seen      // by number
	alone   map[int]bool       // numbers that are left alone
	numbers map[string]int     // of the mails with a unique UIDL
	unseen  unseen             // once all is retrieved
	undone  int                // mails that the limits of the session left for a next one
	again   bool               // a mail got lost on its way into the store
	failed  error              // of the store: retrieve no more

	result Result
}

// seen is a mail of the listing whose bytes are known: by RETR in this session, or by the TOP rule.
type seen struct {
	entry    provider.Entry
	key      digest // what the ledger knows these bytes by
	*content        // what RETR gave; nil: it's known by TOP

	known *row // that this mail has in the ledger, and keeps; nil: none
	put   *put // what this session puts; nil: nothing

	twin    bool // another number gave the same bytes: to be held until both are seen again
	unsure  bool // held, and still to be seen beside the mail that it's a twin of
	release bool // known is HELD for its size, and these bytes came a second time: they are the truth
	stays   bool // the copy at the provider may be better than what is stored, or is the only one
	fresh   bool // no earlier session saw these bytes
	fits    bool // the length is what LIST says
	proved  bool // the same bytes came in an earlier session, when they were doubted
}

func (s *session) run(ctx context.Context) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	s.puts = newPutter(ctx, s.Puts, s.Account, s.Budget)
	err := s.gather(ctx)
	stored, putErr := s.puts.finish()
	s.result.Stored = stored
	if err != nil {
		s.sizes.interrupted(s.seen)
		return err
	}
	s.fail(putErr)
	if err := s.remove(ctx); err != nil {
		return errors.Join(err, s.failed)
	}
	return s.failed
}

// gather looks at mails and retrieves what isn't stored.
func (s *session) gather(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := s.leaveLarge(ctx); err != nil {
		return err
	}
	return s.retrieve(ctx)
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
	s.numbers = map[string]int{}
	for _, e := range s.listing.Mails {
		if e.Unique {
			s.numbers[e.UIDL] = e.Number
		}
	}
	return s.mark(ctx, s.compare(), nil)
}

// ended tells whether no further mail may be asked for.
func (s *session) ended() bool {
	if s.failed == nil {
		s.failed = s.puts.failed()
	}
	if s.failed != nil || time.Since(s.began) >= s.Limits.Time {
		return true
	}
	select {
	case <-s.Stop: // never, where it's nil
		return true
	default:
		return false
	}
}

// fail ends retrieving for an error of the store.
func (s *session) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}

// see adds a mail to those whose bytes are known.
func (s *session) see(m *seen) {
	s.seen = append(s.seen, m)
	s.groups[m.key] = append(s.groups[m.key], m)
	s.at[m.entry.Number] = m
}

// mark asks the store for transitions and for new HELD rows.
func (s *session) mark(ctx context.Context, marks []*contract.LedgerMark, held []*contract.LedgerRow) error {
	if len(marks)+len(held) == 0 {
		return nil
	}
	request := &contract.MarkLedgerRequest{Account: s.Account, Marks: marks, Held: held}
	if len(held) > 0 {
		key := uuid.Must(uuid.NewV7())
		request.Key = key[:]
	}
	if _, err := contract.Call(ctx, s.Store, contract.FetcherService.MarkLedger, request); err != nil {
		return fmt.Errorf("mark %d rows of the ledger: %w", len(marks)+len(held), err)
	}
	return nil
}

// to gives the transitions of rows to a state.
func to(state contract.LedgerState, ids ...uint64) []*contract.LedgerMark {
	var marks []*contract.LedgerMark
	for _, id := range ids {
		marks = append(marks, &contract.LedgerMark{Id: id, State: state})
	}
	return marks
}
