package store

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"postroom/services/contract"
)

// BenchmarkQueueOf100000 fills the Transport Queue, and measures what a start, a runner that begins, and the owner's list
// take. Run it with -benchtime 1x: what counts are the metrics.
func BenchmarkQueueOf100000(b *testing.B) {
	const mails = 100_000
	for range b.N {
		queueOf(b, mails)
	}
}

// The same, smaller, so that it's tested.
func TestQueueOfMany(t *testing.T) {
	t.Parallel()
	queueOf(t, 3000)
}

func queueOf(tb testing.TB, mails int) {
	tb.Helper()
	b := newTestBox(tb)
	ctx := tb.Context()
	const together = 200
	for n := 0; n < mails; n += together {
		q := &contract.SubmitAllRequest{}
		for i := range together {
			m := sendMail("anna@example.org", fmt.Sprintf("recipient-%d@example%d.net", n+i, (n+i)%1000))
			binary.BigEndian.PutUint64(m.Key, uint64(n+i)) // grows, as a UUIDv7 does
			q.Mails = append(q.Mails, m)
		}
		if _, err := (smtp{b.Store}).SubmitAll(ctx, q); err != nil {
			tb.Fatal(err)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	if err := b.Close(); err != nil {
		tb.Fatal(err)
	}
	b.Store = nil
	before := heap()
	began := time.Now()
	b.open()
	started := time.Since(began)
	kept := int64(heap()) - int64(before)

	began = time.Now()
	var cursor []byte
	listed, calls := 0, 0
	for more := true; more; calls++ {
		answer, err := smtp{b.Store}.ListTransport(ctx, &contract.ListTransportRequest{Cursor: cursor})
		if err != nil {
			tb.Fatal(err)
		}
		listed += len(answer.Entries)
		cursor, more = answer.Cursor, answer.More
	}
	entries := time.Since(began)

	began = time.Now()
	shown, after := 0, uint64(0)
	for more := true; more; {
		answer, err := admin{b.Store}.ListQueue(ctx, &contract.ListQueueRequest{After: after})
		if err != nil {
			tb.Fatal(err)
		}
		shown += len(answer.Mails)
		after, more = answer.Mails[len(answer.Mails)-1].Id, answer.More
	}
	list := time.Since(began)
	if listed != mails || shown != mails {
		tb.Errorf("%d mails: a runner gets %d, the owner %d", mails, listed, shown)
	}
	if perMail := kept / int64(mails); mails >= 100_000 && perMail > 200 {
		tb.Errorf("%d octets of memory for each queued mail", perMail)
	}
	text := fmt.Sprintf("%d mails: start %v, heap %d KiB, a runner's list %v in %d calls, the owner's %v", mails, started, kept>>10, entries, calls, list)
	tb.Log(text)
}
