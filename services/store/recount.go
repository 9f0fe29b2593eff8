package store

import (
	"bytes"

	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
)

// recount makes what adds up other rows fit them: a lost note takes rows, and the sums of the next one hold.
func recount(t *engine.Txn) error {
	t.Delete(engine.Meta, licensedKey) // counted where it's wanted
	if err := recountTotals(t); err != nil {
		return err
	}
	return recountBodies(t)
}

// recountTotals makes the queues' totals those of their rows.
func recountTotals(t *engine.Txn) error {
	deleteAll(t, engine.Totals)
	totals := make(map[string]*rows.Total)
	add := func(key []byte, octets uint64) {
		if totals[string(key)] == nil {
			totals[string(key)] = &rows.Total{}
		}
		totals[string(key)].Messages++
		totals[string(key)].Octets += octets
	}
	for _, q := range queues {
		for key := range t.Scan(q.bucket, nil, nil) {
			var m rows.Message
			if _, err := t.Load(q.bucket, key, &m); err != nil {
				return err
			}
			add(totalKey(q.bucket, nil), octetsOf(&m))
			add(totalKey(q.bucket, m.Account), octetsOf(&m))
		}
	}
	for key := range t.Scan(engine.Transport, nil, nil) {
		var m rows.Transport
		if _, err := t.Load(engine.Transport, key, &m); err != nil {
			return err
		}
		add(totalKey(engine.Transport, nil), m.Body.Length)
	}
	for key, total := range totals {
		t.Save(engine.Totals, []byte(key), total)
	}
	return nil
}

// recountBodies makes the counts of shared bodies those of the rows that name them, and takes off the list of what is to be
// punched what a row needs: it came back with the loss of the note that had it go.
func recountBodies(t *engine.Txn) error {
	named := make(map[place]uint32)
	shared := make(map[place]*rows.Body)
	err := eachBody(&t.Reader, func(_ engine.Bucket, b *rows.Body) {
		if named[placeOf(b)]++; named[placeOf(b)] > 1 {
			shared[placeOf(b)] = b
		}
	})
	if err != nil {
		return err
	}
	deleteAll(t, engine.Shared)
	for at, b := range shared {
		t.Save(engine.Shared, engine.SharedKey(b), &rows.Shared{Rows: named[at]})
	}
	var needed [][]byte
	for key := range t.Scan(engine.Dropped, nil, nil) {
		var b rows.Body
		if _, err := t.Load(engine.Dropped, key, &b); err != nil {
			return err
		}
		if named[placeOf(&b)] > 0 {
			needed = append(needed, bytes.Clone(key))
		}
	}
	for _, key := range needed {
		t.Delete(engine.Dropped, key)
	}
	return nil
}

// repairTransport makes each mail of the Transport Queue fit its recipients' rows, of which a lost note may have taken
// some. It gives the number of recipients that are lost, and of mails that are to be sent to nobody else: they go, and their
// bodies are kept as those are that no row knows.
func repairTransport(t *engine.Txn) (lost, unsent int, err error) {
	var ids []uint64
	for key := range t.Scan(engine.Transport, nil, nil) {
		ids = append(ids, idOfKey(key))
	}
	for _, id := range ids {
		m := &queued{id: id, Transport: &rows.Transport{}}
		if _, err := t.Load(engine.Transport, idKey(id), m.Transport); err != nil {
			return 0, 0, err
		}
		m.recipients = m.Recipients
		for key := range t.Scan(engine.Recipients, idKey(id), nil) {
			var list rows.Recipients
			if _, err := t.Load(engine.Recipients, key, &list); err != nil {
				return 0, 0, err
			}
			m.recipients = append(m.recipients, list.Recipients...)
		}
		whole := int(m.Count) == len(m.recipients)
		if before := proto.Clone(m.Transport); whole {
			if m.count(); proto.Equal(before, m.Transport) {
				continue
			}
		}
		if !whole {
			lost += int(m.Count) - len(m.recipients)
			for part := range parts(int(m.Count)) {
				t.Delete(engine.Recipients, partKey(id, part))
			}
		}
		if m.count(); m.Undone == 0 {
			t.Delete(engine.Transport, idKey(id))
			unsent++
			continue
		}
		m.touchAll()
		m.write(t)
	}
	return lost, unsent, nil
}

func deleteAll(t *engine.Txn, bucket engine.Bucket) {
	var keys [][]byte
	for key := range t.Scan(bucket, nil, nil) {
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		t.Delete(bucket, key)
	}
}
