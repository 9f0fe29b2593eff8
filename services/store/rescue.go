package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"
)

// rescue brings back, where recovery found notes lost, the bodies that no row knows: each goes to the In Queue
// of the account in its header. A mail may come twice by that, and none is missing.
func (s *Store) rescue(ctx context.Context) error {
	if len(s.db.Repaired) > 0 {
		text := strings.Join(s.db.Repaired, "; ") + ". Nothing is lost by that, but the disk gives octets that were not written"
		if err := s.keepCondition(ctx, true, contract.ConditionDamage, "index", text); err != nil {
			return err
		}
	}
	if len(s.db.Damage) == 0 {
		return nil
	}
	known, err := s.knownBodies()
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
	if err := s.db.Update(ctx, recount); err != nil {
		return fmt.Errorf("count the queues anew: %w", err)
	}
	text := fmt.Sprintf("row changes were lost (%s); %d mails that no row knew went to their In Queue, and may come twice",
		strings.Join(s.db.Damage, "; "), rescued)
	if lost > 0 {
		text += fmt.Sprintf("; %d bodies are of accounts that aren't known: `postroom store salvage` finds them", lost)
	}
	if unsent > 0 {
		text += fmt.Sprintf("; %d mails that were to be sent, or were sent, have lost their recipients: `postroom store salvage` finds them", unsent)
	}
	return s.keepCondition(ctx, true, contract.ConditionDamage, "notes", text)
}

type place struct {
	segment uint32
	offset  uint64
}

// knownBodies gives the places of all bodies that rows know, dropped ones too.
func (s *Store) knownBodies() (map[place]bool, error) {
	known := make(map[place]bool)
	err := s.db.View(func(r *engine.Reader) error {
		if err := eachBody(r, func(b *rows.Body) { known[placeOf(b)] = true }); err != nil {
			return err
		}
		for key := range r.Scan(engine.Dropped, nil, nil) {
			var b rows.Body
			if _, err := r.Load(engine.Dropped, key, &b); err != nil {
				return err
			}
			known[placeOf(&b)] = true
		}
		return nil
	})
	return known, err
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
		err := s.db.Commit(ctx, &engine.Call{Large: []segment.Location{l}, Plan: func(t *engine.Txn, locations []segment.Location) error {
			if enrolled = t.Get(engine.Accounts, h.Account[:]) != nil; !enrolled {
				return nil
			}
			return enter(t, engine.In, t.NewID(), &rows.Message{
				Account: h.Account[:], Body: engine.BodyOf(locations[0]), Received: h.Time.UnixNano(),
			})
		}})
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
