//go:build root

package faults

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

var (
	seed  = flag.Uint64("seed", 0, "of the random choices, for one run; 0: a fixed list of seeds")
	last  = flag.Duration("last", 15*time.Second, "how long faults last in a run")
	until = flag.Duration("until", 0, "how long runs with random seeds follow each other; 0: a fixed list of seeds")
)

var seeds = []uint64{3, 23}

// TestWholePathUnderFaults gives mail to a provider and collects it from the box while everything between them fails now
// and then. When that ends, the box recovers by itself: every mail has come to whose it is, and none twice.
func TestWholePathUnderFaults(t *testing.T) {
	switch {
	case *seed != 0:
		underFaults(t, *seed)
	case *until > 0:
		for began := time.Now(); time.Since(began) < *until && !t.Failed(); {
			s := rand.Uint64()
			t.Run(fmt.Sprint(s), func(t *testing.T) { underFaults(t, s) })
		}
	default:
		for _, s := range seeds {
			t.Run(fmt.Sprint(s), func(t *testing.T) { underFaults(t, s) })
		}
	}
}

func underFaults(t *testing.T, seed uint64) {
	fmt.Printf("faults: seed %d, for %v\n", seed, *last)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: go test -race -tags root ./tests/faults -count 1 -seed %d -last %v", seed, *last)
		}
	})
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, seed)
	for _, a := range w.accounts[:len(w.accounts)-1] {
		if _, err := w.box.Poll(a.name, hosted.Password); err != nil {
			t.Fatalf("enrol %s: %v", a.name, err)
		}
	}

	clients, stop := context.WithCancel(t.Context())
	defer stop()
	var collecting []func(context.Context, *rand.Rand)
	for _, a := range w.accounts {
		collecting = append(collecting, func(ctx context.Context, random *rand.Rand) { w.collect(ctx, a, random) })
	}
	waitForClients := parts(clients, random, collecting...)
	defer waitForClients()
	defer stop()

	var settings applied
	faulty, cancel := context.WithTimeout(t.Context(), *last)
	defer cancel()
	wait := parts(faulty, random, w.give,
		func(ctx context.Context, random *rand.Rand) { choose(ctx, random, w.disks()) },
		func(ctx context.Context, random *rand.Rand) { choose(ctx, random, w.surroundings(&settings)) })
	choose(faulty, random, w.processes())
	wait()

	began := time.Now()
	for _, a := range w.accounts { // mail goes on
		if err := w.fill(a, [][]byte{newMail(-1, random)}); err != nil {
			t.Fatal(err)
		}
	}
	w.box.Until("everything to have come", w.quiet)
	stop()
	waitForClients()
	w.report(seed, time.Since(began))
	for _, a := range w.accounts {
		mails, err := w.box.Poll(a.name, hosted.Password)
		if err != nil || len(mails) > 0 {
			t.Errorf("%s: %d mails came behind the last one, %v", a.name, len(mails), err)
		}
	}
	if err := w.tally.Verdict(); err != nil {
		t.Error(err)
	}
	in, err := contract.GetSettings(t.Context(), w.box.Admin)
	if err == nil {
		err = settings.check(in)
	}
	if err != nil {
		t.Error(err)
	}
	if out, errs, status := w.box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}

// quiet tells whether no mail is on its way, and nothing is wrong any more.
func (w *world) quiet(s *contract.GetStatusResponse) bool {
	for _, a := range w.accounts {
		if left, err := w.provider.Count(a.user); err != nil || left > 0 || !hosted.Waiting(a.name, 0)(s) {
			return false
		}
	}
	return !slices.ContainsFunc(s.Conditions, func(c *contract.Condition) bool {
		return c.Name != contract.ConditionDamage || c.Subject != "index" // that one lasts for a day
	})
}

func (w *world) report(seed uint64, took time.Duration) {
	given, got := w.tally.Count()
	cuts := 0
	for _, l := range w.lines() {
		cuts += l.Cuts()
	}
	fmt.Printf("faults: seed %d: %d mails given, %d came (%d unchecked), %d connections were cut, %d calls to the disk failed; all was well %v after the last fault\n",
		seed, given, got, w.tally.Marked(), cuts, w.disk.Failed(), took.Round(time.Millisecond))
}
