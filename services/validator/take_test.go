package validator

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"postroom/services/contract"
)

// hang puts a message into the In Queue whose segment can't be opened until resume is called: a pipe, which
// then can't be read as a segment.
func hang(t testing.TB, f *fakeStore, segment uint32, deaths uint32) (m *contract.TakeResponse, resume func()) {
	t.Helper()
	if err := syscall.Mkfifo(f.segment(segment), 0o600); err != nil {
		t.Fatal(err)
	}
	m = f.put(&contract.Body{Segment: segment, Length: 100}, deaths)
	return m, func() {
		w, err := os.OpenFile(f.segment(segment), os.O_RDWR, 0) // doesn't wait for a reader
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { w.Close() })
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	for range 20 {
		f.add(t, 1, plain, 0)
	}
	start(t, f, 1)
	for want := uint64(1); want <= 20; want++ {
		if got := (<-f.settled).Id; got != want {
			t.Fatalf("settled: got message %d, want %d", got, want)
		}
	}
	f.add(t, 1, plain, 0)
	if got := (<-f.settled).Id; got != 21 {
		t.Errorf("after the queue was empty: got message %d, want 21", got)
	}
}

func TestOneThatHangsStallsNoOther(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	hung, resume := hang(t, f, 9, 0)
	for range 20 {
		f.add(t, 1, plain, 0)
	}
	stop := start(t, f, 2)
	for want := uint64(2); want <= 21; want++ {
		if got := (<-f.settled).Id; got != want {
			t.Fatalf("settled: got message %d, want %d", got, want)
		}
	}
	resume()
	go stop()
	select {
	case got := <-f.released: // stopped at the latest while it waits to read once more
		if got != hung.Id {
			t.Errorf("released: got message %d", got)
		}
	case q := <-f.settled:
		if q.Id != hung.Id {
			t.Errorf("settled: got message %d", q.Id)
		}
	}
	stop()
}

// What is in hand when the service stops goes back as it was, before the life line ends.
func TestReleaseOnStop(t *testing.T) {
	t.Parallel()
	f := newFakeStore(t)
	m, resume := hang(t, f, 1, 1)
	stop := start(t, f, 2)
	<-f.took
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop()
	}()
	resume()
	if got := <-f.released; got != m.Id {
		t.Errorf("released: got message %d, want %d", got, m.Id)
	}
	<-ended
	select {
	case id := <-f.died:
		t.Errorf("a death was counted for message %d", id)
	case q := <-f.settled:
		t.Errorf("settled: got %v", q)
	default:
	}
}

// A store that goes away over a Settle gets it again when it is back; so does one that refuses it.
func TestSettleIsRepeated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		refuse func(t *testing.T, f *fakeStore) error
	}{
		{"connection breaks", func(t *testing.T, f *fakeStore) error {
			go func() {
				f.close()
				f.open(t)
			}()
			<-f.died // the life line broke
			return contract.ErrUnavailable
		}},
		{"not durable", func(*testing.T, *fakeStore) error { return contract.ErrUnavailable }},
		{"of no kind", func(*testing.T, *fakeStore) error { return errors.New("bucket is gone") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeStore(t)
			var calls atomic.Int32
			f.settle = func(*contract.SettleRequest) error {
				if calls.Add(1) == 1 {
					return test.refuse(t, f)
				}
				return nil
			}
			f.add(t, 1, plain, 0)
			start(t, f, 1)
			if q := <-f.settled; q.Id != 1 || string(q.Prefix) != "X-Postroom-Verdict: deliver\r\n" {
				t.Errorf("settled: got %v", q)
			}
		})
	}
}
