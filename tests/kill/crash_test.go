package kill

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

var crashes = flag.Int("crashes", 5, "boxes to kill")

// TestCrashOfTheBoxDuringAFetch kills the whole box in the middle of each fetch of 200 mails, a power cut but for what
// the kernel still writes: started again on the same data, it lost nothing and has nothing twice.
func TestCrashOfTheBoxDuringAFetch(t *testing.T) {
	t.Parallel()
	seed := *seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	for round := range *crashes {
		batch := batch(round, random)
		if err := p.Fill(hosted.WebUser, batch); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]hosted.Mail) // by UIDL
		seen := make(map[string]bool)       // by a session without +OK to QUIT
		keep := func(m hosted.Mail, quit bool) {
			if _, twice := got[m.UIDL]; twice && !seen[m.UIDL] {
				t.Errorf("round %d: UIDL %s came twice", round, m.UIDL)
			}
			got[m.UIDL] = m
			seen[m.UIDL] = !quit
		}
		poll(t, box, keep) // starts the fetch
		// The rounds spread over the fetch: from its first mail to where all are stored and deletion begins.
		moment := uint64(round*mails / *crashes + 1 + random.IntN(mails / *crashes))
		if len(got) == 0 { // the schedule may have been quicker than the poll
			box.Until(fmt.Sprintf("mail %d", moment), stored(moment))
		}
		box.Kill()
		left, err := p.Count(hosted.WebUser)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: killed when mail %d was stored; the provider holds %d", round, moment, left)
		box.Up()
		for began := time.Now(); len(got) < mails; {
			before := len(got)
			poll(t, box, keep)
			if len(got) == before && time.Since(began) > 2*time.Minute {
				t.Fatalf("round %d, killed at mail %d: %d of %d mails came\n%s", round, moment, len(got), mails, box.Log())
			}
		}
		var octets [][]byte
		for _, m := range got {
			octets = append(octets, m.Octets)
		}
		if missing, extra := hosted.Missing(batch, octets); missing != 0 || extra != 0 {
			t.Fatalf("round %d, killed at mail %d: %d mails are missing, %d too many", round, moment, missing, extra)
		}
		drain(t, box, p.Count)
	}
	if out, errs, status := box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}

// stored tells whether so many mails are in the queues.
func stored(n uint64) func(*contract.GetStatusResponse) bool {
	return func(s *contract.GetStatusResponse) bool {
		have := uint64(0)
		for _, q := range s.Queues {
			if q.Queue == contract.QueueIn || q.Queue == contract.QueueOut {
				have += q.Messages
			}
		}
		return have >= n
	}
}
