package store

import (
	"encoding/hex"
	"fmt"
	"io"

	"postroom/services/store/engine"
	"postroom/services/store/rows"
	"postroom/services/store/segment"

	"google.golang.org/protobuf/proto"
)

// misplaced gives what `store check` can't see, for it would read all mail at once: bodies that two rows name, or none,
// and totals that don't fit their rows.
func (b *box) misplaced() (problems []string) {
	b.t.Helper()
	named := make(map[place][]string)
	bodies := make(map[place]*rows.Body)
	ends := make(map[uint32]uint64)
	name := func(body *rows.Body, by string) {
		named[placeOf(body)] = append(named[placeOf(body)], by)
		bodies[placeOf(body)] = body
	}
	totals := make(map[string]*rows.Total)
	err := b.db.View(func(r *engine.Reader) error {
		for _, q := range queues {
			for key := range r.Scan(q.bucket, nil, nil) {
				var m rows.Message
				if _, err := r.Load(q.bucket, key, &m); err != nil {
					return err
				}
				name(m.Body, fmt.Sprintf("queue %s, message %d", q.name, idOfKey(key)))
				for _, total := range [][]byte{totalKey(q.bucket, nil), totalKey(q.bucket, m.Account)} {
					if totals[string(total)] == nil {
						totals[string(total)] = &rows.Total{}
					}
					totals[string(total)].Messages++
					totals[string(total)].Octets += octetsOf(&m)
				}
			}
		}
		sends, parts := 0, 0
		for key := range r.Scan(engine.Transport, nil, nil) {
			m, err := findQueued(r, idOfKey(key))
			if err != nil {
				return err
			}
			name(m.Body, fmt.Sprintf("Transport Queue, message %d", m.id))
			key := string(totalKey(engine.Transport, nil))
			if totals[key] == nil {
				totals[key] = &rows.Total{}
			}
			totals[key].Messages++
			totals[key].Octets += m.Body.Length
			want := *m
			want.Transport = proto.Clone(m.Transport).(*rows.Transport)
			if want.count(); !proto.Equal(want.Transport, m.Transport) || m.Undone == 0 {
				problems = append(problems, fmt.Sprintf("Transport Queue, message %d: counts %v, its recipients say %v", m.id, m.Transport, want.Transport))
			}
			sends++
			parts += max(0, len(m.touched)-1)
		}
		for range r.Scan(engine.Recipients, nil, nil) {
			parts--
		}
		if parts != 0 {
			problems = append(problems, fmt.Sprintf("%d rows of recipients too few for %d mails", parts, sends))
		}
		shares := 0
		for at, by := range named {
			var s rows.Shared
			if _, err := r.Load(engine.Shared, engine.SharedKey(bodies[at]), &s); err != nil {
				return err
			}
			if s.Rows > 0 {
				shares++
			}
			if want := uint32(len(by)); want == 1 && s.Rows != 0 || want > 1 && want != s.Rows {
				problems = append(problems, fmt.Sprintf("body in segment %d at %d: named by %v, and %d are counted", at.segment, at.offset, by, s.Rows))
			}
		}
		for range r.Scan(engine.Shared, nil, nil) {
			shares--
		}
		if shares != 0 {
			problems = append(problems, fmt.Sprintf("%d counts of bodies that no row names", -shares))
		}
		for key := range r.Scan(engine.Totals, nil, nil) {
			var total rows.Total
			if _, err := r.Load(engine.Totals, key, &total); err != nil {
				return err
			}
			if want := totals[string(key)]; want == nil || !proto.Equal(want, &total) {
				problems = append(problems, fmt.Sprintf("total %x: got %v, its rows say %v", key, &total, want))
			}
			delete(totals, string(key))
		}
		for key, want := range totals {
			problems = append(problems, fmt.Sprintf("total %s: none, its rows say %v", hex.EncodeToString([]byte(key)), want))
		}
		for key := range r.Scan(engine.Dropped, nil, nil) {
			var body rows.Body
			if _, err := r.Load(engine.Dropped, key, &body); err != nil {
				return err
			}
			if by := named[placeOf(&body)]; len(by) > 0 {
				problems = append(problems, fmt.Sprintf("body in segment %d at %d: dropped, and named by %v", body.Segment, body.Offset, by))
			}
			name(&body, "what was dropped")
		}
		for key := range r.Scan(engine.Segments, nil, nil) {
			var s rows.Segment
			if _, err := r.Load(engine.Segments, key, &s); err != nil {
				return err
			}
			ends[uint32(key[0])<<24|uint32(key[1])<<16|uint32(key[2])<<8|uint32(key[3])] = s.End
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	delete(ends, 0) // the next segment's number
	orphans := 0
	for number, end := range ends {
		f, err := b.db.Open(number)
		if err != nil {
			b.t.Fatal(err)
		}
		err = segment.Scan(f, func(h segment.Header, offset uint64, _ io.Reader) error {
			if at := (place{number, offset}); offset+h.Length <= end && len(named[at]) == 0 {
				if orphans++; orphans <= b.orphans {
					return nil
				}
				problems = append(problems, fmt.Sprintf("body in segment %d at %d: no row names it", number, offset))
			}
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
		f.Close()
	}
	return problems
}
