// Package kill ends services at random moments, and counts mails.
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

var (
	kills = flag.Int("kills", 50, "services to kill, in all")
	seed  = flag.Uint64("seed", 0, "of the random choices; 0: another each time")
)

const mails = 200 // a fetch

// killed are the services that are killed, and the store twice as often as any other.
var killed = []string{"store", "store", "fetcher", "validator", "pop3"}

// boxes are killed at the same time, for each waits more than it works.
const boxes = 4

// TestKillAnyServiceDuringAFetch kills one service during each fetch of 200 mails: nothing is lost, nothing comes
// twice, and the box is back by itself.
func TestKillAnyServiceDuringAFetch(t *testing.T) {
	t.Parallel()
	seed := *seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	for i := range boxes {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			killOf(t, (*kills+i)/boxes, rand.New(rand.NewPCG(seed, uint64(i))))
		})
	}
}

// killOf kills a service of one box so many times.
func killOf(t *testing.T, kills int, random *rand.Rand) {
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	fetchTime := time.Second // about what a fetch of so many took last
	for round := range kills {
		batch := batch(round, random)
		if err := p.Fill(hosted.WebUser, batch); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := make(map[string]hosted.Mail) // by UIDL
		seen := make(map[string]bool)       // by a session without +OK to QUIT
		keep := func(m hosted.Mail, quit bool) {
			if _, twice := got[m.UIDL]; twice && !seen[m.UIDL] {
				t.Errorf("round %d: UIDL %s came twice", round, m.UIDL)
			}
			got[m.UIDL] = m
			if !quit {
				seen[m.UIDL] = true
			}
		}
		poll(t, box, keep) // starts the fetch
		service := killed[random.IntN(len(killed))]
		wait := time.Duration(random.Int64N(int64(fetchTime)))
		death := time.AfterFunc(wait, func() { box.KillService(service) })
		for len(got) < mails {
			before := len(got)
			poll(t, box, keep)
			if len(got) == before && time.Since(began) > 2*time.Minute {
				t.Fatalf("round %d, %s killed after %v: %d of %d mails came\n%s", round, service, wait, len(got), mails, box.Log())
			}
		}
		if !death.Stop() {
			fetchTime = (fetchTime*3 + time.Since(began)) / 4
		}
		var octets [][]byte
		for _, m := range got {
			octets = append(octets, m.Octets)
		}
		if missing, extra := hosted.Missing(batch, octets); missing != 0 || extra != 0 {
			t.Fatalf("round %d, %s killed after %v: %d mails are missing, %d too many", round, service, wait, missing, extra)
		}
		drain(t, box, p.Count)
	}
	out, errs, status := box.Command("store", "check")
	if status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}

// poll polls until a session is whole, and tells of each mail that any session got.
func poll(t *testing.T, box *hosted.Box, tell func(m hosted.Mail, quit bool)) {
	t.Helper()
	for began := time.Now(); ; {
		list, err := box.Poll(hosted.WebName, hosted.Password)
		for _, m := range list {
			if err == nil || m.Octets != nil {
				tell(m, err == nil)
			}
		}
		if err == nil {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("no whole session within a minute: %v\n%s", err, box.Log())
		}
	}
}

// drain waits until the provider holds nothing, and finds no mail left at the box.
func drain(t *testing.T, box *hosted.Box, count func(string) (int, error)) {
	t.Helper()
	box.Until("an empty provider", func(*contract.GetStatusResponse) bool {
		left, err := count(hosted.WebUser)
		return err == nil && left == 0
	})
	poll(t, box, func(m hosted.Mail, _ bool) { t.Errorf("a mail came behind the last one: UIDL %s", m.UIDL) })
}

func batch(round int, random *rand.Rand) (list [][]byte) {
	for i := range mails {
		size := 1 << (6 + random.IntN(9)) // 64 octets to 16 KiB
		if i == mails/2 {
			size = 3 << 20
		}
		m := fmt.Appendf(nil, "From: a@example.org\r\nSubject: round %d, mail %d\r\n\r\n", round, i)
		for len(m) < size {
			m = fmt.Appendf(m, "%016x %016x %016x\r\n", random.Uint64(), random.Uint64(), random.Uint64())
		}
		list = append(list, m)
	}
	return list
}
