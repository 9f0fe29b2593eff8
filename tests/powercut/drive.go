package powercut

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"postroom/services/contract"
)

// Driver is the callers of a store: it has a fetcher's, a validator's, a mail client's and smtp's part, all at once, and notes
// what they were told.
type Driver struct {
	*Box
	h        *History
	random   *rand.Rand
	position func() int // in the events of all recordings
	looks    looks      // of the validator's part, the ledger's and the mail client's
}

const (
	putters     = 3
	putsEach    = 6 // calls
	appliesEach = 2
	largest     = 12 << 10
	upload      = 1<<20 + 300<<10
	accountsN   = 2
)

// run brings mail through the store until it is all done or ctx ends. The error is another one than ctx's.
func (d *Driver) run(ctx context.Context) error {
	var parts sync.WaitGroup
	errs := make(chan error, putters+5)
	part := func(f func(context.Context, *rand.Rand) error) {
		random := rand.New(rand.NewPCG(d.random.Uint64(), 0))
		parts.Go(func() {
			if err := f(ctx, random); err != nil && ctx.Err() == nil {
				errs <- err
			}
		})
	}
	if err := d.accounts(ctx); err != nil {
		return ignore(ctx, err)
	}
	line, cancel := context.WithCancel(ctx)
	defer cancel()
	contract.Deliver(line, d.smtp, runner)
	d.looks = looks{make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
	part(d.settles)
	part(d.marks)
	part(d.polls)
	part(d.applies)
	part(d.sends)
	var puts sync.WaitGroup
	puts.Add(putters)
	for i := range putters {
		part(func(ctx context.Context, random *rand.Rand) error {
			defer puts.Done()
			return d.puts(ctx, random, i == 0)
		})
	}
	puts.Wait()
	for _, look := range d.looks {
		close(look)
	}
	parts.Wait()
	close(errs)
	return <-errs
}

// ignore gives nil for an error that comes of ctx's end.
func ignore(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (d *Driver) accounts(ctx context.Context) error {
	for i := range accountsN {
		if i == len(d.h.Accounts) {
			d.h.Accounts = append(d.h.Accounts, &Account{Name: fmt.Sprintf("user%d@example.org@pop3.example.org", i), Acked: never})
		}
		a := d.h.Accounts[i]
		if a.Acked != never {
			continue
		}
		id, err := d.enrol(ctx, a.Name)
		if err != nil {
			return err
		}
		a.ID = id
		first(&a.Acked, d.position())
	}
	return nil
}

// puts puts new mails, some calls of several, one of them large where it is asked for, and now and then a key twice.
func (d *Driver) puts(ctx context.Context, random *rand.Rand, large bool) error {
	for i := range putsEach {
		account := random.IntN(accountsN)
		var mails []*Mail
		if large && i == putsEach/2 {
			mails = append(mails, d.newMail(account, upload+random.IntN(4096), true, random))
		} else {
			for range 1 + random.IntN(4) {
				mails = append(mails, d.newMail(account, 60+random.IntN(largest), false, random))
			}
		}
		if err := d.putMails(ctx, mails); err != nil {
			return err
		}
		if random.IntN(4) == 0 { // the answer was lost on its way
			if err := d.putMails(ctx, mails); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Driver) newMail(account, size int, large bool, random *rand.Rand) *Mail {
	m := d.h.add(account, large)
	octets := fmt.Appendf(nil, "Subject: mail %d\r\n\r\n", m.Number)
	for len(octets) < size {
		octets = fmt.Appendf(octets, "%016x%016x%016x%016x\r\n", random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
	}
	m.Octets = octets
	m.sum()
	return m
}

// putMails puts mails of one account in one call.
func (d *Driver) putMails(ctx context.Context, mails []*Mail) error {
	for _, m := range mails {
		d.h.begin(m, In, d.position())
	}
	results, err := d.put(ctx, d.h.Accounts[mails[0].Account].ID, mails...)
	if err != nil {
		return fmt.Errorf("put mail %d: %w", mails[0].Number, err)
	}
	at := d.position()
	for i, m := range mails {
		if err := d.h.known(m, results[i].Id); err != nil {
			return err
		}
		d.h.ack(m, In, at)
	}
	d.looks.again()
	return nil
}

// looks are words for those who wait for mail: merged, as watches have them.
type looks []chan struct{}

func (l looks) again() {
	for _, look := range l {
		select {
		case look <- struct{}{}:
		default:
		}
	}
}

// follow does a part's round whenever there is a word, and once when there will be none any more.
func follow(ctx context.Context, look <-chan struct{}, round func() error) error {
	for more := true; more; {
		select {
		case <-ctx.Done():
			return nil
		case _, more = <-look:
		}
		if err := round(); err != nil {
			return err
		}
	}
	return nil
}

// settles is the validator's part.
func (d *Driver) settles(ctx context.Context, random *rand.Rand) error {
	return follow(ctx, d.looks[0], func() error {
		for _, m := range d.h.with(In) {
			if random.IntN(3) == 0 {
				continue
			}
			d.h.begin(m, Out, d.position())
			if err := d.settle(ctx, m.ID); err != nil {
				return fmt.Errorf("settle mail %d: %w", m.Number, err)
			}
			d.h.ack(m, Out, d.position())
		}
		return nil
	})
}

// marks is the fetcher's part in the ledger.
func (d *Driver) marks(ctx context.Context, random *rand.Rand) error {
	return follow(ctx, d.looks[1], func() error {
		for _, state := range []contract.LedgerState{contract.LedgerState_DELE_SENT, contract.LedgerState_DELE_ACKED} {
			for account := range accountsN {
				var ids []uint64
				var mails []*Mail
				for _, m := range d.h.inLedger(account, state-1) {
					if random.IntN(3) > 0 {
						d.h.beginLedger(m, state, d.position())
						ids, mails = append(ids, m.ID), append(mails, m)
					}
				}
				if len(ids) == 0 {
					continue
				}
				if err := d.mark(ctx, d.h.Accounts[account].ID, state, ids...); err != nil {
					return fmt.Errorf("mark %v: %w", state, err)
				}
				for _, m := range mails {
					d.h.ackLedger(m, state, d.position())
				}
			}
		}
		return nil
	})
}

// polls is a mail client's part: what it saw leaves, mostly.
func (d *Driver) polls(ctx context.Context, random *rand.Rand) error {
	return follow(ctx, d.looks[2], func() error {
		for _, a := range d.h.Accounts {
			list, err := d.mailbox(ctx, a.ID)
			if err != nil {
				return fmt.Errorf("mailbox: %w", err)
			}
			at := d.position()
			var leave []uint64
			var mails []*Mail
			for _, message := range list {
				m := d.h.saw(message.Id, message.Uidl, at)
				if m != nil && random.IntN(2) == 0 {
					d.h.begin(m, Retrieved, d.position())
					leave, mails = append(leave, message.Id), append(mails, m)
				}
			}
			if err := d.endPoll(ctx, a.ID, leave...); err != nil {
				return fmt.Errorf("end poll: %w", err)
			}
			for _, m := range mails {
				d.h.ack(m, Retrieved, d.position())
			}
		}
		return nil
	})
}

// applies is the owner's part.
func (d *Driver) applies(ctx context.Context, _ *rand.Rand) error {
	for range appliesEach {
		line := fmt.Sprintf(`schedule = "%dm"`, len(d.h.Settings)+5)
		i := d.h.applying(line, d.position())
		if err := d.apply(ctx, "[fetch]\n"+line+"\n[pop3]\nkeep_retrieved = \"1h\"\n"); err != nil {
			return err
		}
		d.h.applied(i, d.position())
	}
	return nil
}

// reconcile is what callers do when the store is back: they look, and ask again for what wasn't answered.
func (d *Driver) reconcile(ctx context.Context) (wrong []string, err error) {
	from := d.position()
	s, err := d.Survey(ctx, d.h, from, d.random.IntN(6) == 0)
	if err != nil {
		return nil, err
	}
	if wrong = d.h.Check(s, d.position()); len(wrong) > 0 {
		return wrong, nil
	}
	unanswered := d.unanswered()
	d.h.observe(s, d.position())
	for _, call := range unanswered {
		if err := call(ctx); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// unanswered gives the calls that had no answer, by which mail comes into the store, or goes on in the Transport Queue.
func (d *Driver) unanswered() (calls []func(context.Context) error) {
	at := d.position()
	open := func(begun, acked int) bool { return by(begun, at) && !by(acked, at) }
	for _, m := range d.h.Mails {
		call := func(f func(context.Context, *Mail) error) {
			calls = append(calls, func(ctx context.Context) error { return f(ctx, m) })
		}
		s := m.Sending
		switch {
		case s == nil:
			if open(m.Begun[In], m.Acked[In]) {
				call(func(ctx context.Context, m *Mail) error { return d.putMails(ctx, []*Mail{m}) })
			}
		case open(s.Begun[Left], s.Acked[Left]):
			call(d.endElsewhere)
		case open(m.Begun[In], m.Acked[In]):
			call(d.endHere)
		case open(s.Begun[Queued], s.Acked[Queued]) && !d.h.isReport(m):
			call(d.submit)
		}
	}
	return calls
}
