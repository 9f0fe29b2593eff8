package transfer

import (
	"context"
	"errors"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
)

// errLost means that all that a session retrieved got lost on the way: the store restarted meanwhile.
var errLost = errors.New("the store forgot an upload")

// remove deletes at the provider what is proved to be stored, and ends the session. All rows are in DELE_SENT
// before the first DELE goes out; only +OK to QUIT makes DELE_ACKED of them.
func (s *session) remove(ctx context.Context) error {
	s.unseen = map[string]bool{}
	for _, e := range s.listing.Mails {
		if s.at[e.Number] == nil {
			s.unseen[e.UIDL] = true
		}
	}
	doomed := s.doomed()
	var ids []uint64
	for _, m := range doomed {
		ids = append(ids, m.id())
	}
	held := s.twins()
	freed := s.freedRows()
	request := marks(freed, contract.LedgerState_DELE_ACKED, states(ids, contract.LedgerState_DELE_SENT))
	if err := s.mark(ctx, request, held); err != nil {
		return err
	}
	done, err := s.dele(ctx, doomed)
	if err != nil {
		return err
	}
	if err := s.conn.Quit(); err != nil {
		var refusal *provider.Refusal
		if errors.As(err, &refusal) && len(done) == 0 {
			err = nil // nothing hung on it
		}
		return err
	}
	if err := s.mark(ctx, states(done, contract.LedgerState_DELE_ACKED), nil); err != nil {
		return err
	}
	s.result.Deleted = len(done)
	progress := s.result.Stored+len(done)+len(held)+len(freed) > 0
	left := len(s.listing.Mails) - len(done) - s.result.TooLarge - s.refusals
	s.result.More = progress && left > 0 && s.failed == nil
	if s.again && !progress {
		s.fail(errLost)
	}
	return nil
}

// id is that of the row that a mail has in the ledger.
func (m *seen) id() uint64 {
	if m.known != nil {
		return m.known.id
	}
	return m.put.id
}

// doomed gives the mails to be deleted, in the listing's order.
func (s *session) doomed() []*seen {
	verdict := map[digest]bool{}
	for sha, group := range s.groups {
		verdict[sha] = s.deletable(sha, group)
	}
	var doomed []*seen
	for _, e := range s.listing.Mails {
		if m := s.at[e.Number]; m != nil && verdict[m.sha] {
			doomed = append(doomed, m)
		}
	}
	return doomed
}

// twins gives the HELD rows to be made.
func (s *session) twins() []*contract.LedgerRow {
	var held []*contract.LedgerRow
	for _, e := range s.listing.Mails {
		if m := s.at[e.Number]; m != nil && m.twin {
			held = append(held, &contract.LedgerRow{
				State: contract.LedgerState_HELD, Uidl: []byte(e.UIDL), Size: e.Size, Sha256: m.sha[:], HeaderDigest: m.head[:],
			})
		}
	}
	return held
}

// freedRows gives the rows whose mails were looked for and aren't there.
func (s *session) freedRows() []*row {
	var freed []*row
	for _, r := range s.ledger.rows {
		if s.freed(r) {
			freed = append(freed, r)
		}
	}
	return freed
}

func states(ids []uint64, to contract.LedgerState) []*contract.LedgerMark {
	var marks []*contract.LedgerMark
	for _, id := range ids {
		marks = append(marks, &contract.LedgerMark{Id: id, State: to})
	}
	return marks
}

// dele marks mails at the provider and gives the rows of those that it answered +OK for; the others are
// STORED again.
func (s *session) dele(ctx context.Context, doomed []*seen) ([]uint64, error) {
	var done, refused []uint64
	for sent, answered := 0, 0; answered < len(doomed); answered++ {
		for ; sent < len(doomed) && sent-answered < s.conn.Window(); sent++ {
			if err := s.conn.SendDele(doomed[sent].entry.Number); err != nil {
				return nil, err
			}
		}
		m := doomed[answered]
		err := s.conn.Status()
		var refusal *provider.Refusal
		switch {
		case err == nil:
			done = append(done, m.id())
		case errors.As(err, &refusal):
			s.result.Refused = refusal.Words()
			s.refusals++
			s.Log.Warn("deletion refused by the provider", "number", m.entry.Number, "err", err)
			refused = append(refused, m.id())
		default:
			return nil, err
		}
	}
	return done, s.mark(ctx, states(refused, contract.LedgerState_STORED), nil)
}
