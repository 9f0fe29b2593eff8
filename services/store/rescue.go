package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

// keepRepair is how long the owner is told at least that the index had to be made again.
const keepRepair = 24 * time.Hour

// forgetRepair is for a start that found nothing to repair.
func (s *Store) forgetRepair(ctx context.Context) error {
	var c rows.Condition
	err := s.db.View(func(r *engine.Reader) error {
		_, err := r.Load(engine.Conditions, conditionKey(contract.ConditionDamage, "index"), &c)
		return err
	})
	if err != nil || c.Since == 0 || s.now().Sub(time.Unix(0, c.Since)) < keepRepair {
		return err
	}
	return s.keepCondition(ctx, false, contract.ConditionDamage, "index", "")
}

// rescue brings back, where recovery found notes lost, the bodies that no row knows: each goes to the In Queue
// of the account in its header. A mail may come twice by that, and none is missing. One that doesn't come to its end is
// still owed, and the next start goes on with it.
func (s *Store) rescue(ctx context.Context) error {
	if len(s.db.Repaired) == 0 {
		if err := s.forgetRepair(ctx); err != nil {
			return err
		}
	} else {
		text := strings.Join(s.db.Repaired, "; ") + ". Nothing is lost by that, but the disk gives octets that were not written"
		if err := s.keepCondition(ctx, true, contract.ConditionDamage, "index", text); err != nil {
			return err
		}
	}
	if len(s.db.Damage) == 0 {
		return nil
	}
	var known map[place]bool
	err := s.db.View(func(r *engine.Reader) (err error) {
		known, err = knownBodies(r, 0)
		return err
	})
	if err != nil {
		return err
	}
	numbers, err := s.db.SegmentNumbers()
	if err != nil {
		return err
	}
	rescued, lost, unsent := 0, 0, 0
	for _, number := range numbers {
		r, l, u, err := s.rescueSegment(ctx, number, known)
		if err != nil {
			return fmt.Errorf("rescue bodies of segment %d: %w", number, err)
		}
		rescued, lost, unsent = rescued+r, lost+l, unsent+u
	}
	return s.db.Update(ctx, func(t *engine.Txn) error {
		if err := freeHeld(t); err != nil {
			return fmt.Errorf("let held mail through: %w", err)
		}
		recipients, without, err := repairTransport(t)
		if err != nil {
			return fmt.Errorf("make mails that are to be sent fit their recipients: %w", err)
		}
		if err := recount(t); err != nil {
			return fmt.Errorf("count the queues anew: %w", err)
		}
		t.Rescued()
		return s.setCondition(t, contract.ConditionDamage, "notes", s.rescueText(rescued, lost, unsent+without, recipients))
	})
}

// rescueText says what a rescue came to.
func (s *Store) rescueText(rescued, lost, unsent, recipients int) string {
	text := fmt.Sprintf("row changes were lost (%s); %d mails that no row knew went to their In Queue, and may come twice",
		strings.Join(s.db.Damage, "; "), rescued)
	if lost > 0 {
		text += fmt.Sprintf("; %d bodies are of accounts that aren't known: `postroom store salvage` finds them", lost)
	}
	if recipients > 0 {
		text += fmt.Sprintf("; %d recipients of mails that are to be sent are lost", recipients)
	}
	if unsent > 0 {
		text += fmt.Sprintf("; %d mails that were to be sent, or were sent, have lost their recipients: `postroom store salvage` finds them", unsent)
	}
	return text
}

// freeHeld lets mail through that no ledger row holds: the note that took it out of Held was lost, and nobody would do so
// again. What other rows know of it is there already.
func freeHeld(t *engine.Txn) error {
	beside, err := knownBodies(&t.Reader, engine.Held)
	if err != nil {
		return err
	}
	var alone [][]byte
	for key := range t.Scan(engine.Held, nil, nil) {
		problem, err := heldAlone(&t.Reader, key)
		if err != nil {
			return err
		}
		if problem != "" {
			alone = append(alone, bytes.Clone(key))
		}
	}
	for _, key := range alone {
		account, id := accountID(key[:len(accountID{})]), idOfKey(key)
		m, err := leave(t, engine.Held, account, id)
		if err != nil {
			return err
		}
		if beside[placeOf(m.Body)] {
			continue
		}
		m.Incomplete = true // it may have been whole: the note that is lost said so
		if err := enter(t, engine.In, id, m); err != nil {
			return err
		}
	}
	return nil
}

type place struct {
	segment uint32
	offset  uint64
}

// knownBodies gives the places of all bodies that rows know, dropped ones too, but for those of one queue (0: none).
func knownBodies(r *engine.Reader, but engine.Bucket) (map[place]bool, error) {
	known := make(map[place]bool)
	err := eachBody(r, func(in engine.Bucket, b *rows.Body) {
		if in != but {
			known[placeOf(b)] = true
		}
	})
	if err != nil {
		return nil, err
	}
	for key := range r.Scan(engine.Dropped, nil, nil) {
		var b rows.Body
		if _, err := r.Load(engine.Dropped, key, &b); err != nil {
			return nil, err
		}
		known[placeOf(&b)] = true
	}
	return known, nil
}

func placeOf(b *rows.Body) place { return place{b.Segment, b.Offset} }

func (s *Store) rescueSegment(ctx context.Context, number uint32, known map[place]bool) (rescued, lost, unsent int, err error) {
	f, err := s.db.Open(number)
	if err != nil {
		return 0, 0, 0, err
	}
	defer f.Close()
	err = segment.Scan(f, func(h segment.Header, offset uint64, body io.Reader) error {
		if known[place{number, offset}] {
			return nil
		}
		tail := make([]byte, min(h.Length, 2))
		if _, err := f.ReadAt(tail, int64(offset+h.Length)-int64(len(tail))); err != nil {
			return err
		}
		l := segment.Location{
			Segment: number, Offset: offset, Length: h.Length, CRC32C: h.CRC32C, SHA256: h.SHA256,
			OpenEnd: h.Length > 0 && !bytes.Equal(tail, []byte("\r\n")),
		}
		// Counted whatever its account: a segment that a row knows is not removed at the next start.
		enrolled := false
		err := s.db.Update(ctx, func(t *engine.Txn) error {
			t.Count(l)
			if enrolled = t.Get(engine.Accounts, h.Account[:]) != nil; !enrolled {
				return nil
			}
			return enter(t, engine.In, t.NewID(), &rows.Message{
				Account: h.Account[:], Body: engine.BodyOf(l), Received: h.Time.UnixNano(),
			})
		})
		switch {
		case err != nil:
			return err
		case enrolled:
			rescued++
		case h.Kind == segment.Submitted:
			unsent++
		default:
			lost++
		}
		return nil
	})
	return rescued, lost, unsent, err
}
