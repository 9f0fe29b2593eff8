package store

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"postroom/services/contract"
	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

const (
	keepCounters = 30 * 24 * time.Hour // unused
	maxCounters  = 10_000
)

// countersKey is Meta's row of how many counters there are.
var countersKey = []byte("counters")

func counterKey(rule, destination string) []byte {
	return []byte(strings.ReplaceAll(rule, "\x00", "") + "\x00" + destination)
}

// otherDestinations counts for those that there is no room for.
const otherDestinations = "(others)"

// countTry counts what a try came to, for its rule and destination.
func countTry(t *engine.Txn, rule, destination string, state uint32) error {
	if rule == "" {
		return nil
	}
	key := counterKey(rule, destination)
	if t.Get(engine.Counters, key) == nil {
		n := counters(&t.Reader)
		if n >= maxCounters {
			key = counterKey(rule, otherDestinations)
		} else {
			t.Put(engine.Meta, countersKey, binary.BigEndian.AppendUint32(nil, n+1))
		}
	}
	var c rows.Counter
	if _, err := t.Load(engine.Counters, key, &c); err != nil {
		return err
	}
	switch state {
	case delivered:
		c.Delivered++
	case failed:
		c.Failed++
	default:
		c.Delayed++
	}
	c.Last = t.Now().UnixNano()
	t.Save(engine.Counters, key, &c)
	return nil
}

func counters(r *engine.Reader) uint32 {
	if value := r.Get(engine.Meta, countersKey); len(value) == 4 {
		return binary.BigEndian.Uint32(value)
	}
	return 0
}

// expireCounters counts the rest, too.
func expireCounters(t *engine.Txn, now time.Time) (int, error) {
	kept := uint32(0)
	n, err := deleteRows(t, engine.Counters, func(key []byte) (bool, error) {
		var c rows.Counter
		_, err := t.Load(engine.Counters, key, &c)
		if !over(c.Last, keepCounters, now) {
			kept++
			return false, err
		}
		return true, err
	})
	if err == nil && n < sweepRows {
		t.Put(engine.Meta, countersKey, binary.BigEndian.AppendUint32(nil, kept))
	}
	return n, err
}

func (a admin) ListCounters(context.Context, *contract.ListCountersRequest) (*contract.ListCountersResponse, error) {
	answer := &contract.ListCountersResponse{}
	err := a.db.View(func(r *engine.Reader) error {
		for key := range r.Scan(engine.Counters, nil, nil) {
			var c rows.Counter
			if _, err := r.Load(engine.Counters, key, &c); err != nil {
				return err
			}
			rule, destination, _ := strings.Cut(string(key), "\x00")
			answer.Counters = append(answer.Counters, &contract.Counter{
				Rule: rule, Destination: destination, Delivered: c.Delivered, Failed: c.Failed, Delayed: c.Delayed, Last: timeOf(c.Last),
			})
		}
		return nil
	})
	return answer, err
}
