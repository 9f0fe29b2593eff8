package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/internal/fakestore"
	"postroom/services/fetcher/internal/mailbox"
	"postroom/services/fetcher/provider"
)

// newMail makes a mail of about so many octets, with what a careless reader would trip over.
func newMail(intN func(int) int, subject string, octets int) []byte {
	b := fmt.Appendf(nil, "From: a@example.org\r\nSubject: %s\r\n\r\n", subject)
	pieces := []string{"\r\n", ".\r\n", "\n.\n", "\r", "..", "\r\n.", "text ", "\x00\xff", "+OK\r\n"}
	for len(b) < octets {
		if len(b) > 8<<10 {
			b = append(b, b[len(b)-4<<10:]...) // the same again, for speed
			continue
		}
		b = append(b, pieces[intN(len(pieces))]...)
	}
	return append(b, "\r\n"...)
}

// world is a provider and a store, with faults in both.
type world struct {
	t       *testing.T
	rand    *rand.Rand
	store   *fakestore.Store
	client  Store
	account []byte
	server  *mailbox.Server
	address string
	limits  Limits

	mu     sync.Mutex
	faults bool
	given  map[[32]byte]int // mails that came to the provider
	bodies map[[32]byte]string
}

func newWorld(t *testing.T, seed uint64, server *mailbox.Server) *world {
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)), store: fakestore.New(), server: server, faults: true,
		given: map[[32]byte]int{}, bodies: map[[32]byte]string{},
	}
	w.account = w.store.AddAccount("u@pop.example.org", "u", "pop.example.org", "p")
	w.server.Dele = func(m *mailbox.Mail) {
		if !w.store.Has(w.account, m.Body) {
			t.Errorf("DELE of %q, which isn't stored", w.bodies[sha256.Sum256(m.Body)])
		}
	}
	w.client = w.store.Serve(t)
	return w
}

func (w *world) chance(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults && w.rand.IntN(n) == 0
}

func (w *world) intN(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.IntN(n)
}

func (w *world) add(subject, uidl string, body []byte) {
	sum := sha256.Sum256(body)
	w.given[sum]++
	w.bodies[sum] = subject
	w.server.Add(&mailbox.Mail{UIDL: uidl, Body: body})
}

// open logs in; the first call starts the provider, whose faults are set by then.
func (w *world) open(ctx context.Context) (*provider.Conn, error) {
	if w.address == "" {
		w.address = w.server.Listen(w.t).String()
	}
	return open(ctx, w.address)
}

// session is one Run; its errors are part of the game.
func (w *world) session(ctx context.Context) (Result, error) {
	c, err := w.open(ctx)
	if err != nil {
		return Result{}, err
	}
	return Run(ctx, c, Config{
		Store: w.client, Puts: contract.NewPutter(w.client), Account: w.account, Budget: NewBudget(), Limits: w.limits, Log: slog.New(slog.DiscardHandler),
	})
}

// settle ends all faults and runs sessions until the mailbox is empty.
func (w *world) settle() {
	w.mu.Lock()
	w.faults = false
	w.mu.Unlock()
	for n := 0; w.server.Len() > 0; n++ {
		if _, err := w.session(w.t.Context()); err != nil {
			w.t.Fatalf("session without faults: %v", err)
		}
		if n > 50 {
			w.t.Fatalf("mails that never leave the provider: %d; ledger %v", w.server.Len(), w.store.Rows(w.account))
		}
	}
}

// compare asks that what was put is what was given: never less, and never more where exact.
func (w *world) compare(exact bool) {
	put := map[[32]byte]int{}
	for _, body := range w.store.Bodies(w.account) {
		sum := sha256.Sum256(body)
		put[sum]++
		if w.given[sum] == 0 {
			w.t.Errorf("put, but never given: %.60q", body)
		}
	}
	for sum, given := range w.given {
		if put[sum] < given || exact && put[sum] > given {
			w.t.Errorf("%q: given %d times, put %d times", w.bodies[sum], given, put[sum])
		}
	}
}

// TestFaults breaks connections after random octets, loses QUITs either way, cancels sessions, and lets the store
// fail, with twins, large mails and every kind of UIDL. Whatever happens, each mail is put exactly once.
func TestFaults(t *testing.T) {
	t.Parallel()
	kinds := []struct {
		name   string
		server func() *mailbox.Server
		uidl   func(n int) string
	}{
		{"unique", func() *mailbox.Server { return &mailbox.Server{} }, func(n int) string { return fmt.Sprint("u", n) }},
		{"pipelined", func() *mailbox.Server { return &mailbox.Server{Pipelining: true} }, func(n int) string { return fmt.Sprint("u", n) }},
		{"without TOP", func() *mailbox.Server { return &mailbox.Server{NoTop: true, Pipelining: true} }, func(n int) string { return fmt.Sprint("u", n) }},
		{"doubled", func() *mailbox.Server { return &mailbox.Server{} }, func(n int) string { return fmt.Sprint("u", n/2) }},
		{"blank", func() *mailbox.Server { return &mailbox.Server{Pipelining: true} }, func(n int) string { return "" }},
		{"none", func() *mailbox.Server { return &mailbox.Server{NoUIDL: true} }, func(n int) string { return "" }},
	}
	for _, kind := range kinds {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(kind.name, " ", seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, seed, kind.server())
				var total atomic.Int64
				w.server.CutAfter = func() int {
					if !w.chance(2) {
						return -1
					}
					octets := int(total.Load())
					if w.intN(3) == 0 {
						return w.intN(2*octets + 1)
					}
					return octets - 100 + w.intN(1500)
				}
				w.server.KeepAtQuit = func() bool { return w.chance(4) }
				w.store.PutFault = func(*contract.PutRequest) error {
					if w.chance(15) {
						return fmt.Errorf("no room: %w", contract.ErrFull)
					}
					return nil
				}
				w.limits = Limits{Mails: 25}
				n := 0
				for range 8 {
					for range w.intN(12) {
						octets := w.intN(3000)
						if w.intN(30) == 0 {
							octets = contract.MaxPut + w.intN(contract.MaxPut)
						}
						subject := fmt.Sprint("mail ", n)
						body := newMail(w.intN, subject, octets)
						total.Add(int64(len(body)))
						w.add(subject, kind.uidl(n), body)
						n++
					}
					ctx, cancel := context.WithCancel(t.Context())
					if w.chance(6) {
						time.AfterFunc(time.Duration(w.intN(int(10*time.Millisecond))), cancel)
					}
					w.session(ctx)
					cancel()
				}
				w.settle()
				w.compare(true)
			})
		}
	}
}

// TestTwinsWithFaults has equal mails among the others. With unique UIDLs each is put exactly once; where there are none
// a mail can be known by its bytes alone, and none is lost.
func TestTwinsWithFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed, &mailbox.Server{Pipelining: seed%2 == 0})
			w.server.CutAfter = func() int {
				if w.chance(2) {
					return 500 + w.intN(6000)
				}
				return -1
			}
			w.server.KeepAtQuit = func() bool { return w.chance(4) }
			n := 0
			for range 6 {
				for range w.intN(6) {
					subject := fmt.Sprint("mail ", w.intN(4))
					body := "From: a\r\nSubject: " + subject + "\r\n\r\n" + strings.Repeat("body\r\n", 50)
					w.add(subject, fmt.Sprint("u", n), []byte(body))
					n++
				}
				w.session(t.Context())
			}
			w.settle()
			w.compare(true)
		})
	}
}

// TestMixedUp has a provider that gives one mail's bytes for another number now and then, once for each: nothing is lost.
func TestMixedUp(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed, &mailbox.Server{Pipelining: true})
			wrong, before := false, map[*mailbox.Mail]bool{}
			w.server.Dele = nil
			w.server.Give = func(m *mailbox.Mail, all []*mailbox.Mail) []byte {
				if !wrong && !before[m] && w.chance(4) {
					wrong, before[m] = true, true
					return all[w.intN(len(all))].Body
				}
				return m.Body
			}
			for n := range 30 {
				subject := fmt.Sprint("mail ", n)
				w.add(subject, fmt.Sprint("u", n), newMail(w.intN, subject, 100))
				if n%5 == 4 {
					wrong = false
					w.session(t.Context())
				}
			}
			w.settle()
			w.compare(false)
		})
	}
}

// TestLargeMail has mails around and over what one call carries; memory is bounded by the scratch buffer.
func TestLargeMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, &mailbox.Server{Pipelining: true})
	for i, octets := range []int{contract.MaxPut - 60, contract.MaxPut, contract.MaxPut + 1, 9 * contract.MaxPut / 2} {
		w.add(fmt.Sprint(octets), fmt.Sprint(i), newMail(w.intN, fmt.Sprint(octets), octets))
	}
	exact := append([]byte("Subject: exact\r\n\r\n"), bytes.Repeat([]byte("x"), contract.MaxPut-20)...)
	w.add("exact", "e", append(exact, "\r\n"...))
	r, err := w.session(t.Context())
	if err != nil || r.Stored != 5 || r.Deleted != 5 {
		t.Errorf("got %+v, %v", r, err)
	}
	w.compare(true)
}

// TestLostUpload has a store that forgot an upload, as when it restarted: the mail stays, and comes again.
func TestLostUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, &mailbox.Server{})
	w.add("large", "u1", newMail(w.intN, "large", 3*contract.MaxPut))
	w.add("small", "u2", newMail(w.intN, "small", 300))
	w.store.Forget = true
	r, err := w.session(t.Context())
	if err != nil || r.Stored != 1 || r.Deleted != 1 || !r.More {
		t.Errorf("got %+v, %v; want the small one, and more", r, err)
	}
	if r, err = w.session(t.Context()); err == nil {
		t.Errorf("got %+v; a session that came to nothing is to be tried later", r)
	}
	w.store.Forget = false
	w.settle()
	w.compare(true)
}

// TestLimits goes on in further sessions where one takes no more.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, &mailbox.Server{Pipelining: true})
	for n := range 23 {
		w.add(fmt.Sprint(n), fmt.Sprint(n), newMail(w.intN, fmt.Sprint(n), 1000))
	}
	w.limits = Limits{Mails: 10, Octets: 5500}
	for n, want := range []Result{{Stored: 5, Deleted: 5, More: true}, {Stored: 5, Deleted: 5, More: true}, {Stored: 5, Deleted: 5, More: true}, {Stored: 5, Deleted: 5, More: true}, {Stored: 3, Deleted: 3}} {
		got, err := w.session(t.Context())
		got.Octets = 0
		if err != nil || got != want {
			t.Errorf("session %d: got %+v, %v; want %+v", n, got, err, want)
		}
	}
	w.compare(true)
}

// TestStop deletes what is stored and quits, when the service stops.
func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, &mailbox.Server{})
	stop := make(chan struct{})
	w.server.Give = func(m *mailbox.Mail, all []*mailbox.Mail) []byte {
		if m.UIDL == "1" {
			close(stop)
		}
		return m.Body
	}
	for n := range 5 {
		w.add(fmt.Sprint(n), fmt.Sprint(n), newMail(w.intN, fmt.Sprint(n), 100))
	}
	c, err := w.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), c, Config{Store: w.client, Puts: contract.NewPutter(w.client), Account: w.account, Budget: NewBudget(), Stop: stop, Log: slog.New(slog.DiscardHandler)})
	if err != nil || r.Stored != 2 || r.Deleted != 2 {
		t.Errorf("got %+v, %v; want two stored and deleted", r, err)
	}
}

// TestPutRepeated repeats a put with the same keys where the store didn't know whether it's durable.
func TestPutRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, &mailbox.Server{})
	var keys [][]byte
	w.store.PutFault = func(r *contract.PutRequest) error {
		keys = append(keys, r.Mails[0].Key)
		if len(keys) == 1 {
			return fmt.Errorf("sync: %w", contract.ErrUnavailable)
		}
		return nil
	}
	w.add("mail", "u", newMail(w.intN, "mail", 100))
	if r, err := w.session(t.Context()); err != nil || r.Stored != 1 || r.Deleted != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
	if len(keys) != 2 || !bytes.Equal(keys[0], keys[1]) {
		t.Errorf("keys of the puts: %x", keys)
	}
	w.compare(true)
}

// TestShort has a provider that gives mails short now and then, or empty, and says +OK: each arrives whole, once, and none
// is marked.
func TestShort(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		uidl func(n int) string
	}{
		{"unique", func(n int) string { return fmt.Sprint("u", n) }},
		{"doubled", func(n int) string { return fmt.Sprint("u", n/2) }},
		{"blank", func(int) string { return "" }},
	} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(kind.name, " ", seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, seed, &mailbox.Server{Pipelining: seed%2 == 0})
				given := map[string]bool{} // no two short ones are the same: those would be the truth
				w.server.Give = func(m *mailbox.Mail, all []*mailbox.Mail) []byte {
					if !w.chance(3) {
						return m.Body
					}
					// Behind the header: where that comes short as well, a blank UIDL says nothing of what it was.
					from := bytes.Index(m.Body, []byte("\r\n\r\n")) + 4
					short := append(bytes.Clone(m.Body[:from+w.intN(len(m.Body)-from-20)]), "\r\n"...)
					w.mu.Lock()
					defer w.mu.Unlock()
					if given[string(short)] {
						return m.Body
					}
					given[string(short)] = true
					return short
				}
				w.server.KeepAtQuit = func() bool { return w.chance(6) }
				n := 0
				for range 8 {
					for range w.intN(6) {
						subject := fmt.Sprint("mail ", n)
						w.add(subject, kind.uidl(n), newMail(w.intN, subject, 200+w.intN(3000)))
						n++
					}
					w.session(t.Context())
				}
				w.settle()
				w.compare(true)
				for _, m := range w.store.Messages(w.account) {
					if m.Incomplete {
						t.Errorf("%.60q is marked", m.Body)
					}
				}
			})
		}
	}
}

// TestDroppingLine has a line that always drops after some octets: sessions that are made shorter each time one broke
// come to their deletions all the same.
func TestDroppingLine(t *testing.T) {
	t.Parallel()
	for _, pipelining := range []bool{false, true} {
		w := newWorld(t, 1, &mailbox.Server{Pipelining: pipelining, CutAfter: func() int { return 12_000 }})
		for n := range 120 {
			w.add(fmt.Sprint(n), fmt.Sprint("u", n), newMail(w.intN, fmt.Sprint(n), 800))
		}
		broken, sessions := 0, 0
		for ; w.server.Len() > 0 && sessions < 200; sessions++ {
			c, err := w.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r, _ := Run(t.Context(), c, Config{
				Store: w.client, Puts: contract.NewPutter(w.client), Account: w.account, Budget: NewBudget(), Broken: broken, Log: slog.New(slog.DiscardHandler),
			})
			if broken++; !r.Broke {
				broken = max(0, broken-2)
			}
		}
		if w.server.Len() > 0 {
			t.Errorf("pipelining %t: %d mails are left after %d sessions", pipelining, w.server.Len(), sessions)
		}
		w.compare(true)
	}
}

// TestOddBodies has what other fetchers trip over: a line of 10 MiB, NULs, dots, replies forged behind LF . LF.
func TestOddBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, &mailbox.Server{})
	for name, body := range map[string]string{
		"long line":     strings.Repeat("x", 10<<20) + "\r\n.end\r\n",
		"long header":   strings.Repeat("x", 1<<20) + ": y\r\n\r\nbody\r\n",
		"nul":           "\x00\r\n\x00.\x00\r\n.\x00\r\n",
		"dots":          ".\r\n..\r\n...\r\n.\r\n",
		"forged":        "text\n.\n+OK\nFrom: forged\n\n.\n-ERR\n.\r+OK\r\n",
		"no header end": "Subject: x",
		"8-bit":         strings.Repeat("\xff\xfe\x80", 1000),
	} {
		mail := "Subject: " + name + "\r\n\r\n" + body
		if name == "long header" {
			mail = body
		}
		w.add(name, name, []byte(strings.TrimSuffix(mail, "\r\n")+"\r\n"))
	}
	r, err := w.session(t.Context())
	if err != nil || r.Stored != 7 || r.Deleted != 7 {
		t.Errorf("got %+v, %v; want 7 stored and deleted", r, err)
	}
	w.compare(true)
}
