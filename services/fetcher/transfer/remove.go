package transfer

import (
	"context"
	"errors"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
)

// errLost means that all that a session retrieved got lost on the way: the store restarted meanwhile.
var errLost = errors.New("the store forgot an upload")

// doomed is a mail to be deleted at the provider.
type doomed struct {
	number int
	row    uint64 // in the ledger
	anew   bool   // it was deleted before, and is listed again
}

// remove deletes at the provider what is proved to be stored, and ends the session. The ledger is told first: what
// was found out about doubtful mails, and all rows in DELE_SENT before the first DELE goes out. Only +OK to QUIT makes
// DELE_ACKED of them.
func (s *session) remove(ctx context.Context) error {
	s.unseen = s.notSeen()
	s.resolve()
	marks, freed := s.findings()
	list := s.doomed()
	held := s.twins()
	if err := s.mark(ctx, append(marks, to(contract.LedgerState_DELE_SENT, rowsOf(list)...)...), held); err != nil {
		return err
	}
	s.sizes.count(s.seen)
	done, err := s.dele(ctx, list)
	if err != nil {
		// Without QUIT nothing is deleted (RFC 1939 §6): the next session may find these mails under other names.
		if err := s.mark(ctx, to(contract.LedgerState_STORED, rowsOf(list)...), nil); err != nil {
			s.Log.Debug("rows of mails that weren't deleted not marked", "err", err)
		}
		return err
	}
	if err := s.conn.Quit(); err != nil {
		var refusal *provider.Refusal
		if errors.As(err, &refusal) && len(done) == 0 {
			s.result.Broke = false
			err = nil // nothing hung on it
		}
		return err
	}
	s.result.Broke = false
	if err := s.mark(ctx, to(contract.LedgerState_DELE_ACKED, rowsOf(done)...), nil); err != nil {
		return err
	}
	s.result.Deleted = len(done)
	progress := s.result.Stored + len(held) + freed
	for _, d := range done {
		if !d.anew {
			progress++
		}
	}
	s.result.More = progress > 0 && (s.undone > 0 || s.doubled() || s.again) && s.failed == nil
	if s.again && progress == 0 {
		s.fail(errLost)
	}
	return nil
}

// findings gives what the session found out about mails that were in doubt, or that aren't there any more, and of
// how many it is that they are gone.
func (s *session) findings() (marks []*contract.LedgerMark, freed int) {
	for _, m := range s.seen {
		switch {
		case m.release:
			marks = append(marks, to(contract.LedgerState_STORED, m.known.id)...)
		case m.put != nil && m.put.hold && m.put.stored() && m.put.replaces != nil && s.hopeless(m.put.replaces):
			marks = append(marks, to(contract.LedgerState_LEFT, m.put.id)...)
		case m.known != nil && m.known.acked() && !s.due(m.known.first):
			marks = append(marks, to(contract.LedgerState_STORED, m.known.id)...)
		}
	}
	for _, r := range s.ledger.rows {
		if s.absent(r) {
			freed++
			marks = append(marks, to(r.goodbye(), r.id)...)
		}
	}
	return marks, freed
}

// deletable tells whether all numbers that gave these bytes may be deleted: each is known to be a mail of its own
// that is stored. A session in which a number gave another one's bytes, for the first time, proves nothing of what it alone
// has seen: the provider may be off by one, and what it gave for a number be the next one's.
func (s *session) deletable(key digest, group []*seen) bool {
	for _, r := range s.ledger.byKey[key] {
		if r.held() && !r.taken && !s.absent(r) {
			return false // a twin wasn't seen again
		}
	}
	for _, m := range group {
		switch {
		case m.twin, m.unsure, m.stays:
			return false
		case m.known != nil:
		case m.put == nil, !m.put.stored():
			return false
		case m.fresh && s.mixed:
			return false // known by this one session alone
		}
	}
	return true
}

// doomed gives the mails to be deleted, in the listing's order.
func (s *session) doomed() []doomed {
	s.mixed = s.doubled()
	verdict := map[digest]bool{}
	for key, group := range s.groups {
		verdict[key] = s.deletable(key, group)
	}
	var list []doomed
	for _, e := range s.listing.Mails {
		m := s.at[e.Number]
		switch {
		case m == nil || !verdict[m.key]:
		case m.known != nil && s.due(m.known.first):
			list = append(list, doomed{e.Number, m.known.id, m.known.acked()})
		case m.put != nil && s.due(m.put.first(s.began)):
			list = append(list, doomed{number: e.Number, row: m.put.id})
		}
	}
	return list
}

// doubled tells that numbers gave the same bytes, and another session at once may tell them apart.
func (s *session) doubled() bool {
	for _, group := range s.groups {
		for _, m := range group {
			if m.twin || len(group) > 1 && m.fresh && !m.stays {
				return true
			}
		}
	}
	return false
}

func rowsOf(list []doomed) []uint64 {
	var ids []uint64
	for _, d := range list {
		ids = append(ids, d.row)
	}
	return ids
}

// twins gives the HELD rows to be made.
func (s *session) twins() []*contract.LedgerRow {
	var held []*contract.LedgerRow
	for _, m := range s.seen {
		if m.twin {
			held = append(held, &contract.LedgerRow{
				State: contract.LedgerState_HELD, Reason: contract.LedgerReason_TWIN, Uidl: []byte(m.entry.UIDL), Size: m.entry.Size,
				Sha256: m.sha[:], HeaderDigest: m.head[:], BodyDigest: m.rest[:],
			})
		}
	}
	return held
}

// dele marks mails at the provider and gives those that it answered +OK for; the rows of the others are
// STORED again.
func (s *session) dele(ctx context.Context, list []doomed) ([]doomed, error) {
	var done, refused []doomed
	for sent, answered := 0, 0; answered < len(list); answered++ {
		for ; sent < len(list) && sent-answered < s.conn.Window(); sent++ {
			if err := s.conn.SendDele(list[sent].number); err != nil {
				return nil, err
			}
		}
		d := list[answered]
		err := s.conn.Status()
		var refusal *provider.Refusal
		switch {
		case err == nil:
			done = append(done, d)
		case errors.As(err, &refusal):
			s.result.Refused = refusal.Words()
			s.Log.Warn("deletion refused by the provider", "number", d.number, "err", err)
			refused = append(refused, d)
		default:
			return nil, err
		}
	}
	return done, s.mark(ctx, to(contract.LedgerState_STORED, rowsOf(refused)...), nil)
}
